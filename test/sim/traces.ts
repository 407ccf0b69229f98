import type { RegisterValue } from '../../protocol/core/messages.ts'
import { DIGEST } from '../support/arbitrary-register.ts'
import { claim, create, jobAfter } from '../support/job-ops.ts'
import type { Checker, Fact } from './events.ts'

/* Facts to show to a checker, all of one register. */

export const PLACE = 'RUN.0@1'

export function ballot(round: number, peer = 'agent') {
  return { round, peer, boot: 'boot' }
}

export function written(value: RegisterValue, round: number) {
  return { place: PLACE, ballot: ballot(round), hash: DIGEST.hash(value), value }
}

/** The first thing that the checker says of these facts, each a second after the one before. */
export function verdict(check: Checker, ...facts: readonly Fact[]): string | undefined {
  for (const [index, fact] of facts.entries()) {
    const problem = check({ ...fact, atMs: index * 1_000 })
    if (problem !== undefined) return problem
  }
  return
}

// The same ops in each: what has them in its past descends from what has fewer of them.
export const CREATE = create()
export const CLAIM = claim('peerA', 'one')
export const QUEUED = jobAfter(CREATE)
export const LEASED = jobAfter(CREATE, CLAIM)
export const RIVAL = jobAfter(CREATE, claim('peerB', 'two'))
export const TAKEN = jobAfter(CREATE, CLAIM, claim('peerB', 'three'))

export const proposes = (value: RegisterValue, round: number, by = 'agent'): Fact => ({
  kind: 'proposes',
  by,
  ...written(value, round)
})
export const chosen = (value: RegisterValue, round: number): Fact => ({
  kind: 'chosen',
  ...written(value, round)
})
export const takes = (
  value: RegisterValue,
  round: number,
  before: RegisterValue | undefined,
  localMs: number
): Fact => ({
  kind: 'takes',
  store: 's',
  localMs,
  before,
  changes: before !== value,
  ...written(value, round)
})
