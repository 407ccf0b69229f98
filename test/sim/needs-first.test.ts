import { describe, expect, test } from 'vitest'
import type { JobPhase } from '../../protocol/core/job.ts'
import { claim, complete, create, jobAfter, op } from '../support/job-ops.ts'
import { checkNeeds } from './checks/needs-first.ts'
import type { SimEvent } from './events.ts'

/* The checker itself: of a world that keeps the rule it would never be seen to say anything. */

const needsOf = (jobId: string): readonly number[] => (jobId === 'RUN.1' ? [0] : [])
const lives = {
  leased: [create(), claim('peerA', 'c1')],
  failed: [create(), claim('peerA', 'c1'), complete('peerA', 1, 'c1')],
  skipped: [create(), op('gateway', { kind: 'skip', reason: 'not wanted' })]
} as const

function verdicts(...chosen: readonly (readonly [string, JobPhase])[]): (string | undefined)[] {
  const check = checkNeeds(needsOf, new Set(['rogue']))
  return chosen.map(([register, phase]) => {
    const life = phase === 'leased' || phase === 'skipped' ? lives[phase] : lives.failed
    const value = { ...jobAfter(...life), register, phase }
    const ballot = { round: 1, peer: 'p', boot: 'b' }
    const event = { kind: 'chosen', place: `${register}@1`, ballot, hash: '', value, atMs: 0 }
    return check(event as SimEvent)
  })
}

describe('the check of needs finds', () => {
  test('a lease before the end of a need, and after a bad one', () => {
    expect(verdicts(['RUN.1', 'leased'])[0]).toContain('is leased')
    expect(verdicts(['RUN.0', 'failed'], ['RUN.1', 'leased'])[1]).toContain('is leased')
    expect(verdicts(['RUN.0', 'succeeded'], ['RUN.1', 'leased'])).toEqual([undefined, undefined])
  })

  test('a skip without a need that ended badly', () => {
    expect(verdicts(['RUN.0', 'succeeded'], ['RUN.1', 'skipped'])[1]).toContain('is skipped')
    expect(verdicts(['RUN.0', 'failed'], ['RUN.1', 'skipped'])[1]).toBeUndefined()
  })
})
