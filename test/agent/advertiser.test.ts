import { beforeEach, expect, test } from 'vitest'
import { Advertiser, type Statement } from '../../agent/advertiser.ts'
import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { ADVERTISE_EVERY_MS, ADVERTISE_EVERY_MS_MIN } from '../../protocol/core/limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { FakeClock } from '../support/fake-clock.ts'

const STATEMENT: Statement = {
  peerId: 'peer-onyx',
  name: 'onyx',
  boot: '0'.repeat(16),
  state: 'idle',
  version: '0.1.0',
  platforms: [],
  networks: [],
  labels: {},
  isolation: { offered: 'runc', required: undefined },
  diskLimit: 'soft',
  policy: undefined,
  closing: undefined,
  capacity: { cpuMilli: 1_000, memoryBytes: 1, diskBytes: 1, jobs: 1 },
  free: { cpuMilli: 1_000, memoryBytes: 1, diskBytes: 1, jobs: 1 },
  diskFreeBytes: 1,
  engine: '20.10',
  jobs: []
}

let clock: FakeClock
let startMs: number
let sent: { readonly afterMs: number; readonly ad: Advertisement }[]
let state: Statement['state']
let draw: number
let failures: number
/** What looking at the host waits for. */
let looking: Promise<void>
let advertiser: Advertiser

beforeEach(() => {
  clock = new FakeClock()
  startMs = clock.bootMs()
  sent = []
  state = 'idle'
  draw = 0.5
  failures = 0
  looking = Promise.resolve()
  advertiser = new Advertiser({
    clock,
    random: { next: () => draw, id: () => '' },
    log: silentLog(),
    state: async () => {
      await looking
      return { ...STATEMENT, state }
    },
    send: async (ad) => {
      failures -= 1
      if (failures >= 0) throw new Error('nobody listens')
      sent.push({ afterMs: clock.bootMs() - startMs, ad })
    }
  })
})

const times = (): number[] => sent.map(({ afterMs }) => afterMs)

test('a change is said at once, with a number and the wall clock', async () => {
  advertiser.changed()
  await clock.advance(0)

  expect(times()).toEqual([0])
  expect(sent[0]?.ad).toMatchObject({
    name: 'onyx',
    sequence: 1,
    sentAtMs: clock.wallMs(),
    leaving: false
  })
})

test('several changes at once are one advertisement', async () => {
  for (let count = 0; count < 50; count++) advertiser.changed()
  await clock.advance(ADVERTISE_EVERY_MS_MIN)

  expect(times()).toEqual([0])
})

test('however often it changes it speaks at most once a second, and says what is last', async () => {
  for (let count = 0; count < 100; count++) {
    state = count % 2 === 0 ? 'busy' : 'idle'
    advertiser.changed()
    await clock.advance(99)
  }
  state = 'draining'
  advertiser.changed()
  await clock.advance(ADVERTISE_EVERY_MS_MIN)

  const gaps = times().map((atMs, index) => atMs - (times()[index - 1] ?? -Infinity))
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(ADVERTISE_EVERY_MS_MIN)
  expect(sent.length).toBeGreaterThanOrEqual(10)
  expect(sent.at(-1)?.ad.state).toBe('draining')
  expect(sent.map(({ ad }) => ad.sequence)).toEqual(sent.map((_, index) => index + 1))
})

test.each([
  [0, 0.8],
  [0.5, 1],
  [0.999_999, 1.2]
])(
  'without a change it speaks every 30 s +- 20 %%: a draw of %d gives %d',
  async (drawn, share) => {
    draw = drawn
    advertiser.changed()
    await clock.advance(0)
    const dueMs = ADVERTISE_EVERY_MS * share
    await clock.advance(dueMs - 1_000)
    expect(sent).toHaveLength(1)

    await clock.advance(2_000)
    expect(sent).toHaveLength(2)

    await clock.advance(dueMs)
    expect(sent).toHaveLength(3)
  }
)

test('a change does not wait for the next repetition, and the repetition counts from it', async () => {
  advertiser.changed()
  await clock.advance(20_000)
  advertiser.changed()
  await clock.advance(29_000)
  expect(times()).toEqual([0, 20_000])

  await clock.advance(1_000)

  expect(times()).toEqual([0, 20_000, 50_000])
})

test('what changes while it is being said is said a second later, not at the next turn', async () => {
  const probed = Promise.withResolvers<void>()
  looking = probed.promise
  advertiser.changed()
  await clock.advance(0)
  state = 'busy'
  advertiser.changed()
  probed.resolve()
  await clock.advance(ADVERTISE_EVERY_MS_MIN)

  expect(times()).toEqual([0, ADVERTISE_EVERY_MS_MIN])
})

test('one that could not be sent is not the last', async () => {
  failures = 1
  advertiser.changed()
  await clock.advance(0)
  expect(sent).toEqual([])

  await clock.advance(ADVERTISE_EVERY_MS)

  expect(sent).toHaveLength(1)
})

test('a stop says goodbye, once, and nothing after it', async () => {
  advertiser.changed()
  await clock.advance(0)

  await advertiser.stop()
  advertiser.changed()
  await clock.advance(10 * ADVERTISE_EVERY_MS)

  expect(sent.map(({ ad }) => [ad.sequence, ad.leaving])).toEqual([
    [1, false],
    [2, true]
  ])
  expect(clock.armed()).toBe(0)
})

test('a goodbye comes after what is being sent, or it would be overtaken and forgotten', async () => {
  const probed = Promise.withResolvers<void>()
  looking = probed.promise
  advertiser.changed()
  await clock.advance(0)
  const stopped = advertiser.stop()
  await clock.advance(0)
  expect(sent).toEqual([])

  probed.resolve()
  await stopped

  expect(sent.map(({ ad }) => [ad.sequence, ad.leaving])).toEqual([
    [1, false],
    [2, true]
  ])
})

test('an agent that has failed falls silent without a goodbye', async () => {
  advertiser.changed()
  await clock.advance(0)

  advertiser.silence()
  advertiser.changed()
  await clock.advance(10 * ADVERTISE_EVERY_MS)

  expect(sent).toHaveLength(1)
  expect(clock.armed()).toBe(0)
})

test('how old the last word is counts from what was sent, not from what failed', async () => {
  expect(advertiser.ageMs).toBeUndefined()
  advertiser.changed()
  await clock.advance(0)
  await clock.advance(12_000)
  expect(advertiser.ageMs).toBe(12_000)

  failures = 1
  advertiser.changed()
  await clock.advance(500)

  expect(advertiser.ageMs).toBe(12_500)
})
