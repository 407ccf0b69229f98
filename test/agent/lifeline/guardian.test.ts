import { afterEach, describe, expect, test } from 'vitest'
import {
  GUARDIAN_AFTER_MS,
  GUARDIAN_CHARGE_MS_MAX,
  GUARDIAN_GRACE_MS,
  GUARDIAN_KILL_MS
} from '../../../protocol/core/limits.ts'
import { GuardianBench } from '../../support/guardian-bench.ts'

const AHEAD_MS = 2_200

let bench: GuardianBench | undefined

function open(options?: { readonly stay: boolean }): GuardianBench {
  bench = new GuardianBench(options)
  return bench
}

afterEach(async () => {
  await bench?.close()
})

describe('the guardian', () => {
  test('ends a container a moment after its deadline, and no other one', async () => {
    const one = open()
    one.add('a', AHEAD_MS)
    one.add('b', AHEAD_MS + 5_000)
    const endMs = one.clock.bootMs() + AHEAD_MS
    await one.pass(AHEAD_MS + GUARDIAN_AFTER_MS - 10)
    expect(one.done).toEqual([])

    await one.pass(50)

    expect(one.acts).toEqual(['kill a', 'remove a'])
    expect((one.done[0]?.atMs ?? 0) - endMs).toBeLessThan(GUARDIAN_AFTER_MS + 30)
  })

  test('leaves a container alone for as long as its lease is renewed', async () => {
    const one = open()
    one.add('a', AHEAD_MS)
    for (let renewal = 0; renewal < 40; renewal++) {
      await one.pass(500)
      one.leases.set('job-a', one.clock.bootMs() + AHEAD_MS)
    }

    expect(one.done).toEqual([])
  })

  test('finds a container that appeared just before its deadline', async () => {
    const one = open()
    one.leases.set('job-a', one.clock.bootMs() + 5_000)
    await one.pass(4_900)
    one.add('a', undefined)
    await one.pass(100 + GUARDIAN_AFTER_MS + 50)

    expect(one.acts).toEqual(['kill a', 'remove a'])
  })

  test('ends a container that has no lease folder after the grace', async () => {
    const one = open()
    await one.pass(100)
    one.add('a', undefined)
    await one.pass(5_000 + GUARDIAN_GRACE_MS + 200)

    expect(one.acts).toEqual(['kill a', 'remove a'])
  })

  test('kills process 1 itself where the engine hangs, and removes once it answers', async () => {
    const one = open()
    one.add('a', AHEAD_MS)
    await one.pass(1_500)
    one.engine = 'hangs'
    await one.pass(AHEAD_MS - 1_500 + GUARDIAN_AFTER_MS + GUARDIAN_KILL_MS + 50)
    expect(one.acts).toEqual(['pid-kill a'])

    one.engine = 'answers'
    await one.pass(6_000)

    expect(one.acts.slice(-1)).toEqual(['remove a'])
  })

  test('asks an engine that refuses again and again, at a bounded rate', async () => {
    const one = open()
    one.add('a', AHEAD_MS)
    await one.pass(1_500)
    one.engine = 'refuses'
    await one.pass(60_000)
    const tries = one.acts.length
    one.engine = 'answers'
    await one.pass(3_000)

    expect(tries).toBeLessThan(40)
    expect(one.acts.slice(-1)).toEqual(['remove a'])
  })

  test('lists containers seldom while there is none', async () => {
    const one = open()
    await one.pass(60_000)

    expect(one.lists).toBeLessThan(15)
    expect(one.looks).toBe(one.lists)
  })
})

describe('once its agent is gone, the guardian', () => {
  test('goes within a second where nothing is left', async () => {
    const one = open()
    await one.pass(2_000)
    expect(one.ended).toBe(false)

    one.agentGone = true
    await one.pass(1_000)

    expect(one.ended).toBe(true)
  })

  test('stays for the last container, forgets its lease, and goes', async () => {
    const one = open()
    one.add('a', AHEAD_MS)
    one.agentGone = true
    await one.pass(AHEAD_MS)
    expect([one.ended, one.done]).toEqual([false, []])

    await one.pass(GUARDIAN_AFTER_MS + 1_000)

    expect(one.acts).toEqual(['kill a', 'remove a', 'forget job-a'])
    expect(one.ended).toBe(true)
  })

  test('keeps a lease that is not over, since its container may be on its way', async () => {
    const one = open()
    one.leases.set('job-a', one.clock.bootMs() + AHEAD_MS)
    one.agentGone = true
    await one.pass(AHEAD_MS)
    expect([one.ended, one.done]).toEqual([false, []])

    one.add('a', undefined)
    await one.pass(2_000)

    expect(one.acts).toEqual(['kill a', 'remove a', 'forget job-a'])
  })

  test('goes where nobody ever says what to guard, and stays once somebody does', async () => {
    const one = open()
    one.isCharged = false
    await one.pass(GUARDIAN_CHARGE_MS_MAX - 1_000)
    expect(one.ended).toBe(false)
    await one.pass(2_000)
    expect(one.ended).toBe(true)

    const two = open()
    two.isCharged = false
    await two.pass(GUARDIAN_CHARGE_MS_MAX - 1_000)
    two.isCharged = true
    await two.pass(GUARDIAN_CHARGE_MS_MAX)
    expect(two.ended).toBe(false)
  })

  test('stays where it is a unit of its own', async () => {
    const one = open({ stay: true })
    one.leases.set('job-a', one.clock.bootMs())
    one.agentGone = true
    await one.pass(5_000)

    expect([one.ended, one.acts]).toEqual([false, ['forget job-a']])
  })

  test('does not go while the engine cannot be asked', async () => {
    const one = open()
    one.engine = 'refuses'
    one.agentGone = true
    await one.pass(10_000)
    expect(one.ended).toBe(false)

    one.engine = 'answers'
    await one.pass(3_000)

    expect(one.ended).toBe(true)
  })

  test('goes on when the agent is there again', async () => {
    const one = open()
    one.leases.set('job-a', one.clock.bootMs() + AHEAD_MS)
    one.agentGone = true
    await one.pass(1_000)
    one.agentGone = false
    await one.pass(AHEAD_MS + 2_000)

    expect([one.ended, one.done]).toEqual([false, []])
  })
})
