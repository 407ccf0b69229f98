import type { AcceptorContext, AcceptorState } from '../../protocol/core/acceptor.ts'
import { accept, acceptorOf, prepare } from '../../protocol/core/acceptor.ts'
import type { Ballot } from '../../protocol/core/ballot.ts'
import type { RegisterScope, RegisterValue, RenewItem } from '../../protocol/core/messages.ts'
import { DIGEST, JOB } from './arbitrary-register.ts'

export const START_MS = 100_000

export function scopeOf(register = JOB): RegisterScope {
  return { register, witnessEpoch: 1, storeId: 'store', ann: undefined }
}

/** Everything in order; `change` says what is not. */
export function context(change: Partial<AcceptorContext> = {}): AcceptorContext {
  return {
    nowMs: START_MS,
    remote: 'peerA',
    remoteIsMember: true,
    leaseMs: 3_000,
    valueValid: true,
    proposalValid: true,
    digest: DIGEST,
    createValid: true,
    floorOf: () => 0,
    announced: undefined,
    ...change
  }
}

export function ballot(round: number, peer = 'peerA', boot = '0a'): Ballot {
  return { round, peer, boot }
}

export function prepareOf(at: Ballot, intent: 'op' | 'takeover' = 'op') {
  return { kind: 'prepare', scope: scopeOf(), ballot: at, intent } as const
}

export function acceptOf(at: Ballot, value: RegisterValue) {
  const scope = scopeOf(value.register)
  return {
    kind: 'accept',
    scope,
    ballot: at,
    value,
    proposerSig: 'sig',
    announcement: undefined
  } as const
}

export function renewOf(epoch: number, peer: string, claimId: string): RenewItem {
  const stage = { name: 'step', step: 1, steps: 2 } as const
  return { scope: scopeOf(), epoch, claimId, boot: `boot-${peer}`, stage }
}

export function fresh(nowMs = START_MS): AcceptorState {
  return acceptorOf(undefined, nowMs)
}

/** A witness that has accepted `value` under `at` at `nowMs`. */
export function holding(value: RegisterValue, at = ballot(1), nowMs = START_MS): AcceptorState {
  return take(fresh(nowMs), at, value, nowMs)
}

/** Accepts or throws. */
export function take(
  state: AcceptorState,
  at: Ballot,
  value: RegisterValue,
  nowMs: number
): AcceptorState {
  const step = accept(state, acceptOf(at, value), context({ nowMs, remote: at.peer }))
  if (step.reply.kind !== 'accepted') throw new Error(JSON.stringify(step.reply))
  return step.state
}

/** Promises or throws. */
export function promise(
  state: AcceptorState,
  at: Ballot,
  nowMs: number,
  intent: 'op' | 'takeover' = 'op'
): AcceptorState {
  const step = prepare(state, prepareOf(at, intent), context({ nowMs, remote: at.peer }))
  if (step.reply.kind !== 'promise') throw new Error(JSON.stringify(step.reply))
  return step.state
}
