import { expect, test } from 'vitest'
import { Life } from '../../agent/life.ts'
import type { HostProblem } from '../../agent/probe/host-profile.ts'
import { settleIn } from '../../agent/settling.ts'
import { claimBench } from '../support/claim-bench.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { OneRegister } from '../support/one-register.ts'
import { recoveryOf } from '../support/recovery-parts.ts'

/** An agent that starts with nothing to settle, and what it waits for. */
function starting(
  problems: readonly HostProblem[] = [],
  trial = async (): Promise<void> => {},
  shown = Promise.resolve()
) {
  const [mesh, clock, life, quit] = [
    new OneRegister(),
    new FakeClock(),
    new Life(),
    new AbortController()
  ]
  const bench = claimBench(mesh, clock, { peerId: 'onyx', boot: '00000000000000bb' })
  const found = { hasQuorum: false, lifeline: { holds: false } }
  const { lifeline } = found
  const runtimes = { budgetMs: 0, told: 0 }
  const tryRuntimes = (budgetMs: number): Promise<void> => {
    runtimes.budgetMs = budgetMs
    return shown
  }
  const host = { problems, trial, tryRuntimes }
  const parts = { recovery: recoveryOf(mesh, bench, clock), life, lifeline, host }
  const onRuntimes = (): void => void runtimes.told++
  const rest = { hasQuorum: () => found.hasQuorum, killBudgetMs: () => 3_000, onRuntimes }
  const done = settleIn({ ...parts, ...rest }, [], quit.signal)
  return { clock, life, quit, found, done, runtimes }
}

test('an agent takes jobs once a quorum answers and a guardian holds, not before', async () => {
  const { clock, life, found, done } = starting()
  found.lifeline.holds = true
  await clock.advance(60_000)
  expect(life.mayClaim).toBe(false)
  found.lifeline.holds = false
  found.hasQuorum = true
  await clock.advance(60_000)
  expect(life.mayClaim).toBe(false)

  found.lifeline.holds = true
  await clock.settle(done, 1_000)

  expect(life.mayClaim).toBe(true)
})

test('an agent takes jobs before the other runtimes have shown anything, or one hangs', async () => {
  const shown = Promise.withResolvers<void>()
  const { clock, life, found, done, runtimes } = starting([], undefined, shown.promise)
  found.hasQuorum = true
  found.lifeline.holds = true
  await clock.advance(1_000)
  expect([life.mayClaim, runtimes.budgetMs, runtimes.told]).toEqual([true, 3_000, 0])

  shown.resolve()
  await clock.settle(done, 1_000)

  expect(runtimes.told).toBe(1)
})

test('an agent whose host cannot run a job takes none, whatever answers', async () => {
  const problem = { part: 'busybox', found: 'none', fix: 'install one', blocking: true } as const
  const { clock, life, found, done } = starting([problem])
  found.hasQuorum = true
  found.lifeline.holds = true

  await clock.settle(done, 1_000)

  expect(life.mayClaim).toBe(false)
})

test.each([
  ['took a job there', undefined, true],
  ['refused the filter', 'seccomp', false]
])('an agent takes jobs once its engine was tried and %s: %s', async (_, part, mayClaim) => {
  const problems: HostProblem[] = []
  const answered = Promise.withResolvers<void>()
  const { clock, life, found, done } = starting(problems, () => answered.promise)
  found.hasQuorum = true
  found.lifeline.holds = true
  await clock.advance(60_000)
  expect(life.mayClaim).toBe(false)

  if (part !== undefined) problems.push({ part, found: 'no', fix: 'update it', blocking: true })
  answered.resolve()
  await clock.settle(done, 1_000)

  expect(life.mayClaim).toBe(mayClaim)
})

test('an agent that is stopped while it waits takes nothing any more', async () => {
  const { clock, life, quit, found, done } = starting()
  quit.abort()
  found.hasQuorum = true
  found.lifeline.holds = true

  await clock.settle(done, 1_000)

  expect([life.state, life.mayClaim]).toEqual(['starting', false])
})
