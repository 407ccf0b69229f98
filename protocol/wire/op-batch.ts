import type { JobOp } from '../core/job.ts'
import type { OpSigner } from '../core/ports.ts'
import type { RunOp } from '../core/run.ts'
import { OPS_SIGNED_TOGETHER_MAX } from '../core/signature-limits.ts'
import type { MeshKey } from './keys.ts'
import { signTogether } from './op-signature.ts'
import { unsignedJobOp, unsignedRunOp } from './signer.ts'

interface Waiting {
  readonly statement: Uint8Array
  readonly resolve: (sig: string) => void
  readonly reject: (error: unknown) => void
}

/**
 * Signs in the name of `key`, all ops of one tick by one signature: a signature costs 45 us and its
 * check at each witness 110, many times what an op costs besides. Rejects with MESSAGE_INVALID for
 * an op that has no encoding.
 */
export function opBatch(key: MeshKey): OpSigner {
  let waiting: Waiting[] = []
  const flush = (): void => {
    const batch = waiting
    waiting = []
    try {
      const sigs = signTogether(
        key,
        batch.map(({ statement }) => statement)
      )
      for (const [index, { resolve }] of batch.entries()) resolve(sigs[index] ?? '')
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
  const signed = (statement: Uint8Array): Promise<string> => {
    return new Promise((resolve, reject) => {
      // After all that this tick still asks for, and never by a timer, as frames leave.
      if (waiting.length === 0) process.nextTick(() => waiting.length > 0 && flush())
      waiting.push({ statement, resolve, reject })
      if (waiting.length === OPS_SIGNED_TOGETHER_MAX) flush()
    })
  }
  return {
    peerId: key.peerId,
    jobOp: async (register, opId, body): Promise<JobOp> => {
      const { op, statement } = unsignedJobOp(key.peerId, register, opId, body)
      return { ...op, sig: await signed(statement) }
    },
    runOp: async (register, opId, body): Promise<RunOp> => {
      const { op, statement } = unsignedRunOp(key.peerId, register, opId, body)
      return { ...op, sig: await signed(statement) }
    }
  }
}
