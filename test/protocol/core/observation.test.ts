import { expect, test } from 'vitest'
import type { AgentState } from '../../../protocol/core/agent-state.ts'
import type { LinkState } from '../../../protocol/core/observation.ts'
import { observe, takesJobs } from '../../../protocol/core/observation.ts'
import { sampleAd, sampleView } from '../../support/arbitrary-board.ts'

const seen = (silentMs: number, link: LinkState, leaving = false) =>
  observe({ advertisement: sampleAd({ leaving }), heardAtMs: 1_000, link }, 1_000 + silentMs)

test.each([
  [0, 'up', 'idle'],
  [44_999, 'up', 'idle'],
  [45_000, 'up', 'suspect'],
  [119_999, 'up', 'suspect'],
  [120_000, 'up', 'offline'],
  [0, 'down', 'suspect'],
  [119_999, 'down', 'suspect'],
  [120_000, 'down', 'offline'],
  [44_999, 'none', 'idle'],
  [45_000, 'none', 'suspect']
] as const)('silent for %d ms with its link %s, an agent is %s', (silentMs, link, expected) => {
  expect(seen(silentMs, link)).toBe(expected)
})

test('a goodbye makes an agent offline at once', () => {
  expect(seen(0, 'up', true)).toBe('offline')
})

test.each(['starting', 'idle', 'busy', 'paused', 'draining'] as const)(
  'an agent that is heard is what it says: %s',
  (state: AgentState) => {
    const view = sampleView({ state })
    expect(view.observed).toBe(state)
    expect(takesJobs(view)).toBe(state === 'idle' || state === 'busy')
  }
)

test('a suspect or offline agent takes no jobs, whatever it said', () => {
  expect(takesJobs(sampleView({ state: 'idle' }, { silentMs: 50_000 }))).toBe(false)
  expect(takesJobs(sampleView({ state: 'idle' }, { silentMs: 130_000 }))).toBe(false)
  expect(takesJobs(sampleView({ state: 'idle' }, { link: 'down' }))).toBe(false)
})
