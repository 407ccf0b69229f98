import type { JobOp, JobOpBody } from '../core/job.ts'
import type { Signer } from '../core/ports.ts'
import type { RunOp, RunOpBody } from '../core/run.ts'
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
      const { op, statement } = unsignedJobOp(actor, register, opId, body)
      return { ...op, sig: signed(statement) }
    },
    runOp: (register, opId, body): RunOp => {
      const { op, statement } = unsignedRunOp(actor, register, opId, body)
      return { ...op, sig: signed(statement) }
    },
    proposal: (register, witnessEpoch, ballot, valueHash) =>
      signed(proposalStatement(register, witnessEpoch, ballot, valueHash))
  }
}

/** An op without its signature, and what that is over. */
export interface Unsigned<Op> {
  readonly op: Omit<Op, 'sig'>
  readonly statement: Uint8Array
}

/** Throws MESSAGE_INVALID for an op that has no encoding. */
export function unsignedJobOp(
  actor: string,
  register: string,
  opId: string,
  body: JobOpBody
): Unsigned<JobOp> {
  const op = { opId, actor, body, argsHash: argsHashOfJob(body) }
  return { op, statement: jobOpStatement(statementOfJobOp(register, op)) }
}

/** Throws MESSAGE_INVALID for an op that has no encoding. */
export function unsignedRunOp(
  actor: string,
  register: string,
  opId: string,
  body: RunOpBody
): Unsigned<RunOp> {
  const op = { opId, actor, body, argsHash: argsHashOfRun(body) }
  return { op, statement: runOpStatement(statementOfRunOp(register, op)) }
}

export function statementOfJobOp(register: string, op: Omit<JobOp, 'sig'>): OpStatement {
  const { opId, actor, argsHash, body } = op
  const { kind } = body
  switch (kind) {
    case 'claim': {
      // The epoch is the reducer's to give; which lease it became shows the claim id.
      const { claimId } = body
      return { register, kind, epoch: undefined, claimId, opId, actor, argsHash }
    }
    case 'complete':
    case 'release':
    case 'adopt':
    case 'reaffirm': {
      const { epoch, claimId } = body
      return { register, kind, epoch, claimId, opId, actor, argsHash }
    }
    default:
      return { register, kind, epoch: undefined, claimId: undefined, opId, actor, argsHash }
  }
}

export function statementOfRunOp(register: string, op: Omit<RunOp, 'sig'>): OpStatement {
  const { opId, actor, argsHash, body } = op
  const { kind } = body
  return { register, kind, epoch: undefined, claimId: undefined, opId, actor, argsHash }
}
