import type { JobOp } from '../core/job.ts'
import type { SharingSigner } from '../core/ports.ts'
import type { RunOp } from '../core/run.ts'
import type { MeshKey } from './keys.ts'
import { signatureBatch } from './signature-batch.ts'
import { unsignedJobOp, unsignedRunOp } from './signer.ts'
import { proposalStatement } from './statements.ts'

/**
 * Signs in the name of `key`, all that is asked for in one tick by one signature. Rejects with
 * MESSAGE_INVALID for an op that has no encoding.
 */
export function batchSigner(key: MeshKey): SharingSigner {
  const batch = signatureBatch(key)
  return {
    peerId: key.peerId,
    jobOp: async (register, opId, body): Promise<JobOp> => {
      const { op, statement } = unsignedJobOp(key.peerId, register, opId, body)
      return { ...op, sig: await batch.sign(statement) }
    },
    runOp: async (register, opId, body): Promise<RunOp> => {
      const { op, statement } = unsignedRunOp(key.peerId, register, opId, body)
      return { ...op, sig: await batch.sign(statement) }
    },
    proposal: (register, witnessEpoch, ballot, valueHash) =>
      batch.sign(proposalStatement(register, witnessEpoch, ballot, valueHash))
  }
}
