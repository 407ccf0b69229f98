import type { Ballot } from '../core/ballot.ts'
import { statement } from './statement.ts'

/*
 * What the signatures of registers cover. Domains keep one kind of statement from being shown as
 * another; they change with any change of a statement's fields.
 */
const JOB_OP = 'runner-mesh.job-op.v1'
const RUN_OP = 'runner-mesh.run-op.v1'
const PROPOSAL = 'runner-mesh.proposal.v1'

/** An operation as far as its signature tells: a history entry keeps no more of it. */
export interface OpStatement {
  readonly register: string
  readonly kind: string
  /** Of the lease that the op ends; undefined in ops that name none. */
  readonly epoch: number | undefined
  /** Of the claim that the op makes or ends. */
  readonly claimId: string | undefined
  readonly opId: string
  readonly actor: string
  readonly argsHash: string
}

export function jobOpStatement(op: OpStatement): Uint8Array {
  return statement(JOB_OP, [
    op.register,
    op.kind,
    op.epoch ?? '',
    op.claimId ?? '',
    op.opId,
    op.actor,
    op.argsHash
  ])
}

export function runOpStatement(op: Omit<OpStatement, 'epoch' | 'claimId'>): Uint8Array {
  return statement(RUN_OP, [op.register, op.kind, op.opId, op.actor, op.argsHash])
}

export function proposalStatement(
  register: string,
  witnessEpoch: number,
  ballot: Ballot,
  valueHash: string
): Uint8Array {
  const { round, peer, boot } = ballot
  return statement(PROPOSAL, [register, witnessEpoch, round, peer, boot, valueHash])
}
