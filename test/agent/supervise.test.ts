import { beforeEach, expect, test } from 'vitest'
import { type Supervised, supervise } from '../../agent/supervise.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { SHUTDOWN_MS_MAX } from '../../protocol/core/limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { FakeClock } from '../support/fake-clock.ts'

const done = (): Promise<void> => Promise.resolve()
const never = (): Promise<void> => Promise.withResolvers<void>().promise
const FAILED = new MeshError('STORE_FAILED', { dir: '/s', action: 'write', cause: 'ENOSPC' })

let clock: FakeClock
let calls: string[]
let failure: PromiseWithResolvers<never>
let first: PromiseWithResolvers<void>
let second: PromiseWithResolvers<void>

beforeEach(() => {
  clock = new FakeClock()
  calls = []
  failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  first = Promise.withResolvers()
  second = Promise.withResolvers()
})

/** Runs an agent whose verbs are recorded and do what `verbs` says, at once where it says nothing. */
function run(verbs: Partial<Supervised> = {}): Promise<void> {
  const verb = (name: keyof Supervised) => (): Promise<void> => {
    calls.push(name)
    return (verbs[name] ?? done)()
  }
  const agent: Supervised = {
    start: verb('start'),
    drain: verb('drain'),
    stop: verb('stop'),
    abandon: verb('abandon')
  }
  const orders = { first: first.promise, second: second.promise }
  return supervise({ agent, failure: failure.promise, orders, clock, log: silentLog() })
}

test('it starts, drains at the first order, and stops', async () => {
  const running = run()
  await clock.advance(0)
  expect(calls).toEqual(['start'])

  first.resolve()
  await running

  expect(calls).toEqual(['start', 'drain', 'stop'])
  expect(clock.armed()).toBe(0)
})

test('the second order does not wait for what runs', async () => {
  const running = run({ drain: never })
  first.resolve()
  await clock.advance(0)
  expect(calls).toEqual(['start', 'drain'])

  second.resolve()
  await running

  expect(calls).toEqual(['start', 'drain', 'stop'])
})

test('an order to go now ends a start that hangs', async () => {
  const running = run({ start: never })
  first.resolve()
  second.resolve()
  await running

  expect(calls.at(-1)).toBe('stop')
})

test('an agent that cannot start is abandoned, and what was wrong is what it rejects with', async () => {
  const problem = new MeshError('CONFIG_INVALID', { file: 'listen', problem: 'taken' })

  await expect(run({ start: () => Promise.reject(problem) })).rejects.toBe(problem)

  expect(calls).toEqual(['start', 'abandon'])
})

test.each([
  ['start', { start: never }],
  ['idle', {}],
  ['drain', { drain: never }],
  ['stop', { stop: never }]
])('a store that fails in %s ends it: nothing in order any more', async (when, verbs) => {
  const running = run(verbs)
  running.catch(() => undefined)
  if (when !== 'start' && when !== 'idle') first.resolve()
  await clock.advance(0)

  failure.reject(FAILED)

  await expect(running).rejects.toBe(FAILED)
  expect(calls.at(-1)).toBe('abandon')
})

test.each([
  ['abandon', { start: () => Promise.reject(FAILED), abandon: never }, 'rejects'],
  ['stop', { stop: never }, 'resolves']
] as const)(
  'a hanging %s is waited for SHUTDOWN_MS_MAX and no longer',
  async (_verb, verbs, how) => {
    const ended = run(verbs).then(
      () => 'resolves',
      () => 'rejects'
    )
    first.resolve()
    let seen: string | undefined
    void ended.then((outcome) => {
      seen = outcome
    })
    await clock.advance(SHUTDOWN_MS_MAX - 1)
    expect(seen).toBeUndefined()

    await clock.advance(1)

    expect(seen).toBe(how)
  }
)

test('a stop that fails is no reason to stay', async () => {
  first.resolve()

  await expect(run({ stop: () => Promise.reject(new Error('odd')) })).resolves.toBeUndefined()
})
