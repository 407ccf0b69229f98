import { expect, test } from 'vitest'
import {
  DIAL_BACKOFF_MS_MAX,
  DIAL_BACKOFF_MS_MIN,
  DIAL_BACKOFF_NEW_ROSTER_MS_MAX,
  DIAL_MS_MAX,
  DIAL_YIELD_MS,
  DIALS_PARALLEL_MAX,
  ROSTER_PUSH_MS_MAX
} from '../../../../protocol/core/limits.ts'
import type { Member } from '../../../../protocol/core/roster.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { Dialler } from '../../../../protocol/mesh/links/dialler.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

function entry(peerId: string): Member {
  const addresses = ['/ip4/127.0.0.1/tcp/1']
  return {
    peerId,
    name: peerId,
    roles: ['agent'],
    addresses,
    witness: undefined,
    notAfterMs: Number.MAX_SAFE_INTEGER
  }
}

/** A network of switches: who answers, and who is linked. */
class Net {
  readonly clock = new FakeClock()
  readonly linked = new Set<string>()
  readonly answering = new Set<string>()
  readonly dials: { readonly peerId: string; readonly atMs: number }[] = []
  members: readonly Member[]
  dialling = 0
  diallingMax = 0
  readonly dialler: Dialler

  constructor(peers: readonly string[], self = 'm', hang = false) {
    this.members = peers.map(entry)
    this.dialler = new Dialler({
      self,
      clock: this.clock,
      random: { next: () => 0.5, id: () => '' },
      log: silentLog(),
      targets: () => this.members,
      isLinked: (peerId) => this.linked.has(peerId),
      dial: async ({ peerId }, signal) => {
        this.dials.push({ peerId, atMs: this.clock.bootMs() })
        this.dialling += 1
        this.diallingMax = Math.max(this.dialling, this.diallingMax)
        try {
          if (hang) await aborted(signal)
          if (!this.answering.has(peerId)) throw new Error('refused')
          this.linked.add(peerId)
        } finally {
          this.dialling -= 1
        }
      }
    })
  }

  dialsOf(peerId: string): number[] {
    return this.dials.filter((dial) => dial.peerId === peerId).map(({ atMs }) => atMs)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
  })
}

test('a dialler dials every member once and leaves linked ones alone', async () => {
  const net = new Net(['a', 'z'])
  net.answering.add('a').add('z')

  net.dialler.refresh()
  await net.clock.advance(60_000)

  expect([net.dialsOf('a').length, net.dialsOf('z').length, net.dials.length]).toEqual([1, 1, 2])
  expect(net.clock.armed()).toBe(0)
})

test('a dialler lets the lower id go first, so that two hosts rarely dial each other at once', async () => {
  const net = new Net(['a', 'z'])
  net.answering.add('a').add('z')
  const startMs = net.clock.bootMs()

  net.dialler.refresh()
  await net.clock.advance(1_000)

  expect(net.dialsOf('z')).toEqual([startMs])
  expect(net.dialsOf('a')).toEqual([startMs + DIAL_YIELD_MS])
})

test('a dialler never gives a silent member up, and never asks it without pause', async () => {
  const net = new Net(['z'])
  net.dialler.refresh()
  const hourMs = 3_600_000
  await net.clock.advance(hourMs)

  const times = net.dialsOf('z')
  const waits = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(DIAL_BACKOFF_MS_MIN / 2)
  expect(Math.max(...waits)).toBeLessThanOrEqual(DIAL_BACKOFF_MS_MAX)
  expect(times.length).toBeGreaterThan(hourMs / DIAL_BACKOFF_MS_MAX)
  expect(times.length).toBeLessThan(500)
})

test('a dialler is eager while a roster is new: the other side may get it any moment', async () => {
  const net = new Net(['z'])
  net.dialler.refresh()
  await net.clock.advance(ROSTER_PUSH_MS_MAX)

  const dials = net.dialsOf('z').length
  expect(dials).toBeGreaterThanOrEqual(ROSTER_PUSH_MS_MAX / DIAL_BACKOFF_NEW_ROSTER_MS_MAX)
})

test('a dialler comes back at once to a member whose link is lost', async () => {
  const net = new Net(['z'])
  net.answering.add('z')
  net.dialler.refresh()
  await net.clock.advance(100_000)

  net.linked.delete('z')
  net.dialler.linkLost('z')
  await net.clock.advance(0)

  expect(net.dials).toHaveLength(2)
})

test('a dialler does not come back without pause to a member that cuts it off each time', async () => {
  const net = new Net(['z'])
  net.answering.add('z')
  net.dialler.refresh()
  const startMs = net.clock.bootMs()
  while (net.clock.bootMs() < startMs + ROSTER_PUSH_MS_MAX) {
    await net.clock.advance(10)
    if (net.linked.delete('z')) net.dialler.linkLost('z')
  }

  const times = net.dialsOf('z')
  const waits = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(DIAL_BACKOFF_MS_MIN / 2)
  expect(Math.max(...waits)).toBeLessThanOrEqual(DIAL_BACKOFF_NEW_ROSTER_MS_MAX)
})

test('a dialler leaves alone who is no longer in the roster', async () => {
  const net = new Net(['y', 'z'])
  net.dialler.refresh()
  await net.clock.advance(1_000)
  const before = net.dialsOf('y').length

  net.members = [entry('z')]
  net.dialler.refresh()
  net.dialler.linkLost('y')
  await net.clock.advance(60_000)

  expect(net.dialsOf('y')).toHaveLength(before)
})

test('a dialler has few dials under way at a time, and still reaches everyone', async () => {
  const peers = Array.from({ length: 60 }, (_, index) => `z${index}`)
  const net = new Net(peers, 'm', true)
  net.dialler.refresh()
  await net.clock.advance(DIAL_MS_MAX * 12)

  expect(net.diallingMax).toBe(DIALS_PARALLEL_MAX)
  expect(new Set(net.dials.map(({ peerId }) => peerId)).size).toBe(60)
})

test('a dialler gives a dial that hangs up after its limit', async () => {
  const net = new Net(['z'], 'm', true)
  net.dialler.refresh()
  await net.clock.advance(DIAL_MS_MAX * 2)

  expect(net.dialsOf('z').length).toBeGreaterThanOrEqual(2)
  expect(net.dialling).toBeLessThanOrEqual(1)
})

test('a dialler stops for good, dials under way included', async () => {
  const net = new Net(['y', 'z'], 'm', true)
  net.dialler.refresh()
  await net.clock.advance(0)
  expect(net.dialling).toBe(2)

  await net.dialler.stop()
  net.dialler.linkLost('z')
  await net.clock.advance(60_000)

  expect(net.dialling).toBe(0)
  expect(net.dials).toHaveLength(2)
  expect(net.clock.armed()).toBe(0)
})
