import type { JobOp, JobOpBody, JobState, Reason } from '../../protocol/core/job.ts'
import type { Reduction } from '../../protocol/core/job-reducer.ts'
import { reduceJob } from '../../protocol/core/job-reducer.ts'
import { ANN_HASH, DIGEST, JOB, reportOf } from './arbitrary-register.ts'
import { plainSigner } from './plain-signer.ts'

/*
 * Signed ops of one job, short enough to write a life down in one line. The boot of `peerA` is
 * `boot-peerA`; an op without an id gets one of its own.
 */

let serial = 0

export function op(actor: string, body: JobOpBody, opId?: string): JobOp {
  serial += 1
  return plainSigner(actor, DIGEST).jobOp(JOB, opId ?? `op-${serial}`, body)
}

export function create(attemptsMax = 3, retriesMax = 0): JobOp {
  return op('gateway', { kind: 'create', annHash: ANN_HASH, attemptsMax, retriesMax })
}

export function claim(actor: string, claimId: string, opId?: string): JobOp {
  return op(actor, { kind: 'claim', claimId, boot: `boot-${actor}`, leaseMs: 3_000 }, opId)
}

export function release(actor: string, epoch: number, claimId: string, userCodeRan = true): JobOp {
  return op(actor, { kind: 'release', epoch, claimId, reason: 'drained', userCodeRan })
}

export function complete(actor: string, epoch: number, claimId: string): JobOp {
  return op(actor, { kind: 'complete', epoch, claimId, outcome: reportOf(epoch, 'failed') })
}

export function adopt(
  actor: string,
  epoch: number,
  claimId: string,
  number: number,
  opId?: string
): JobOp {
  return op(actor, { kind: 'adopt', epoch, claimId, boot: `boot-${actor}-${number}`, number }, opId)
}

export function reaffirm(actor: string, epoch: number, claimId: string, boot: string): JobOp {
  return op(actor, { kind: 'reaffirm', epoch, claimId, boot })
}

export function cancel(graceMs?: number): JobOp {
  const grace = graceMs === undefined ? {} : { graceMs }
  return op('user', { kind: 'cancel', reason: 'no longer needed', ...grace })
}

export function fail(reason: Reason): JobOp {
  return op('peerC', { kind: 'error', reason, message: 'why' })
}

export function reduceOp(prev: JobState | undefined, next: JobOp): Reduction<JobState> {
  return reduceJob(prev, JOB, next, DIGEST)
}

/** The state after ops that must all be applied. */
export function jobAfter(...ops: readonly JobOp[]): JobState {
  const state = ops.reduce<JobState | undefined>((prev, next) => {
    const made = reduceOp(prev, next)
    if (made.kind !== 'next') throw new Error(`${next.body.kind} gives ${JSON.stringify(made)}`)
    return made.value
  }, undefined)
  if (state === undefined) throw new Error('no op')
  return state
}
