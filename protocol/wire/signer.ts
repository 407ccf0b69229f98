import type { JobOp, JobOpBody } from '../core/job.ts'
import type { Signer } from '../core/ports.ts'
import type { RunOp } from '../core/run.ts'
import { type MeshKey, sign } from './keys.ts'
import { argsHashOfJob, argsHashOfRun } from './op-codec.ts'
import {
  jobOpStatement,
  type OpStatement,
  proposalStatement,
  runOpStatement
} from './statements.ts'

/** Signs in the name of `key`. Throws MESSAGE_INVALID for an op that has no encoding. */
export function signerOf(key: MeshKey): Signer {
  const actor = key.peerId
  const signed = (message: Uint8Array): string => sign(key, message).toString('hex')
  return {
    peerId: actor,
    jobOp: (register, opId, body): JobOp => {
      const op = { opId, actor, body, argsHash: argsHashOfJob(body) }
      return { ...op, sig: signed(jobOpStatement(statementOfJobOp(register, op))) }
    },
    runOp: (register, opId, body): RunOp => {
      const argsHash = argsHashOfRun(body)
      const sig = signed(runOpStatement({ register, kind: body.kind, opId, actor, argsHash }))
      return { opId, actor, body, argsHash, sig }
    },
    proposal: (register, witnessEpoch, ballot, valueHash) =>
      signed(proposalStatement(register, witnessEpoch, ballot, valueHash))
  }
}

export function statementOfJobOp(register: string, op: Omit<JobOp, 'sig'>): OpStatement {
  const { opId, actor, argsHash, body } = op
  return { register, kind: body.kind, ...leaseOf(body), opId, actor, argsHash }
}

function leaseOf(body: JobOpBody): Pick<OpStatement, 'epoch' | 'claimId'> {
  switch (body.kind) {
    case 'claim':
      // The epoch is the reducer's to give; which lease it became shows the claim id.
      return { epoch: undefined, claimId: body.claimId }
    case 'complete':
    case 'release':
    case 'adopt':
    case 'reaffirm':
      return { epoch: body.epoch, claimId: body.claimId }
    default:
      return { epoch: undefined, claimId: undefined }
  }
}
