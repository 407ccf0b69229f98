import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { Feed, type LogSend } from '../../../agent/logs/feed.ts'
import { Feeds } from '../../../agent/logs/feeds.ts'
import {
  FEED_MS_MAX,
  FEEDS_MAX,
  LOG_CHUNK_BYTES_MAX,
  LOG_CHUNK_LINES_MAX
} from '../../../protocol/core/limits.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { LogAppend, LogRead } from '../../../protocol/store/job-log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const JOB = '7K3QF2ABCDEFGHJKMNPQRSTVWX.0'

/** A spool in memory, read at once, so that a test's time is the feed's alone. */
class Spool {
  readonly lines: LogLine[] = []
  readonly marks: string[] = []
  end = false
  removed = false

  say(text: string, times = 1): void {
    for (let count = 0; count < times; count++) {
      const number = this.lines.length + 1
      this.lines.push({ number, atMs: 1, step: 1, stream: 'out', text })
    }
  }

  async read(_job: string, _epoch: number | undefined, from: number, limit: number) {
    if (this.removed || (this.lines.length === 0 && !this.end)) return { kind: 'absent' } as const
    const lines = this.lines.slice(from - 1, from - 1 + limit)
    const next = from + lines.length
    const end = this.end && next > this.lines.length
    return { kind: 'page', epoch: 1, lines, next, end } satisfies LogRead
  }

  async delivered(job: string, epoch: number): Promise<void> {
    this.marks.push(`${job}@${epoch}`)
  }
}

/** A gateway that keeps what it is sent, and is away as long as the test says. */
class Gateway {
  readonly lines: string[] = []
  readonly pushes: { readonly firstLine: number; readonly lines: number; readonly atMs: number }[] =
    []
  away = false
  answer: LogAppend | undefined

  readonly send: LogSend = async (_peer, request) => {
    if (request.kind !== 'push') throw new Error('a feed only pushes')
    const { firstLine, lines } = request
    this.pushes.push({ firstLine, lines: lines.length, atMs: clock.bootMs() })
    if (this.away) throw new Error('connection lost')
    if (this.answer !== undefined) return this.answer
    const nextLine = this.lines.length + 1
    if (firstLine > nextLine) return { kind: 'refused', code: 'gap', nextLine }
    this.lines.push(...lines.slice(nextLine - firstLine).map(({ text }) => text))
    return { kind: 'acked', nextLine: this.lines.length + 1 }
  }
}

let clock: FakeClock
let spool: Spool
let gateway: Gateway

beforeEach(() => {
  clock = new FakeClock()
  spool = new Spool()
  gateway = new Gateway()
})

const parts = () => ({
  spool,
  send: gateway.send,
  clock,
  random: { next: () => 0.5, id: () => '' },
  log: silentLog()
})

function feedOf(): { readonly feed: Feed; readonly isDone: () => boolean } {
  const feed = new Feed(parts(), { job: JOB, epoch: 1, gateway: 'g' })
  onTestFinished(() => feed.stop())
  let done = false
  void feed.finished().then(() => {
    done = true
  })
  return { feed, isDone: () => done }
}

test('lines go out as they come, and the whole log is noted as delivered', async () => {
  const { feed, isDone } = feedOf()
  await clock.advance(0)
  spool.say('one')
  feed.notify()
  await clock.advance(0)
  expect([gateway.lines, isDone()]).toEqual([['one'], false])

  spool.say('two')
  spool.end = true
  feed.notify()
  await clock.advance(0)

  expect([gateway.lines, isDone()]).toEqual([['one', 'two'], true])
  expect(spool.marks).toEqual([`${JOB}@1`])
  expect(clock.armed()).toBe(0)
})

test('a log without a line is delivered by its end alone', async () => {
  spool.end = true
  const { isDone } = feedOf()
  await clock.advance(0)

  expect([isDone(), gateway.pushes]).toEqual([
    true,
    [{ firstLine: 1, lines: 0, atMs: clock.bootMs() }]
  ])
})

test('after a gateway was away the rest is sent from what it has, without a line twice', async () => {
  spool.say('before')
  const { feed, isDone } = feedOf()
  await clock.advance(0)
  gateway.away = true
  spool.say('meanwhile', 3)
  spool.end = true
  feed.notify()
  await clock.advance(10 * 60_000)
  expect(isDone()).toBe(false)

  gateway.away = false
  await clock.until(isDone, 10_000)

  expect(gateway.lines).toEqual(['before', 'meanwhile', 'meanwhile', 'meanwhile'])
  expect(gateway.pushes.at(-1)).toMatchObject({ firstLine: 2, lines: 3 })
})

test('a gateway that lost its last lines is served from where it says', async () => {
  spool.say('a', 6)
  const { feed, isDone } = feedOf()
  await clock.advance(0)
  gateway.lines.length = 2
  spool.say('b')
  spool.end = true
  feed.notify()

  await clock.until(isDone, 10_000)

  expect(gateway.lines).toEqual(['a', 'a', 'a', 'a', 'a', 'a', 'b'])
})

test('however much a job says, a gateway that is away is asked at the pace of the back-off', async () => {
  gateway.away = true
  spool.say('x')
  const { feed } = feedOf()
  for (let count = 0; count < 600; count++) {
    spool.say('x')
    feed.notify()
    await clock.advance(100)
  }

  // A minute of news every 100 ms; the back-off soon reaches its two seconds.
  expect(gateway.pushes.length).toBeLessThan(100)
  expect(gateway.pushes.length).toBeGreaterThan(20)
})

test.each<LogAppend>([
  { kind: 'acked', nextLine: 1 },
  { kind: 'refused', code: 'gap', nextLine: 1 },
  { kind: 'refused', code: 'unknown_job', nextLine: 0 }
])('an answer that leads nowhere is not asked for again at once: %j', async (answer) => {
  gateway.answer = answer
  spool.say('x')
  const { isDone } = feedOf()
  await clock.advance(60_000)
  expect(gateway.pushes.length).toBeLessThan(100)

  gateway.answer = undefined
  spool.end = true
  await clock.until(isDone, 10_000)

  expect(gateway.lines).toEqual(['x'])
})

test.each(['stale_epoch', 'not_allowed', 'full'] as const)(
  'a log refused as %s is wanted by nobody: no more is sent, and it may go',
  async (code) => {
    gateway.answer = { kind: 'refused', code, nextLine: 0 }
    spool.say('x')
    const { isDone } = feedOf()
    await clock.advance(0)

    expect([isDone(), gateway.pushes.length]).toEqual([true, 1])
    expect(spool.marks).toEqual([`${JOB}@1`])
  }
)

test('a gateway that stays away is given up after FEED_MS_MAX, and the log is not delivered', async () => {
  gateway.away = true
  spool.say('x')
  const { isDone } = feedOf()
  await clock.advance(FEED_MS_MAX - 10_000)
  expect(isDone()).toBe(false)

  await clock.advance(20_000)

  expect([isDone(), spool.marks]).toEqual([true, []])
  expect(clock.armed()).toBe(0)
})

test('a job that runs for longer than FEED_MS_MAX may still lose a connection', async () => {
  const { feed, isDone } = feedOf()
  for (const text of ['early', 'late', 'later']) {
    gateway.away = true
    spool.say(text)
    feed.notify()
    await clock.advance(30_000)
    expect(isDone()).toBe(false)
    gateway.away = false
    await clock.advance(2 * FEED_MS_MAX)
  }

  spool.end = true
  feed.notify()
  await clock.until(isDone, 10_000)

  expect(gateway.lines).toEqual(['early', 'late', 'later'])
})

test('a log that was removed under the feed ends it', async () => {
  spool.say('x')
  const { feed, isDone } = feedOf()
  await clock.advance(0)

  spool.removed = true
  feed.notify()
  await clock.advance(0)

  expect([isDone(), spool.marks]).toEqual([true, []])
})

test('no push is over the limits of a chunk', async () => {
  spool.say('x'.repeat(10_000), 10)
  spool.say('', 3 * LOG_CHUNK_LINES_MAX)
  spool.end = true
  const { isDone } = feedOf()

  await clock.until(isDone, 10_000)

  expect(gateway.lines).toHaveLength(10 + 3 * LOG_CHUNK_LINES_MAX)
  expect(gateway.pushes.slice(0, 3).map(({ lines }) => lines)).toEqual([3, 3, 3])
  expect(10_000 * 3).toBeLessThanOrEqual(LOG_CHUNK_BYTES_MAX)
  for (const { lines } of gateway.pushes) expect(lines).toBeLessThanOrEqual(LOG_CHUNK_LINES_MAX)
})

test('one attempt has one feed, and an agent at most FEEDS_MAX: the oldest is given up', async () => {
  gateway.away = true
  spool.say('x')
  const feeds = new Feeds(parts())
  const open = (epoch: number) => feeds.open({ job: JOB, epoch, gateway: 'g' })
  const first = open(1)
  expect(open(1)).toBe(first)
  for (let epoch = 2; epoch <= FEEDS_MAX; epoch++) open(epoch)
  let ended = false
  void first.finished().then(() => {
    ended = true
  })
  await clock.advance(0)
  expect(ended).toBe(false)

  open(FEEDS_MAX + 1)
  await clock.advance(0)

  expect(ended).toBe(true)
  await clock.settle(feeds.stop(1_000), 10_000)
  expect(clock.armed()).toBe(0)
})

test('a stop leaves feeds their grace, and not more', async () => {
  gateway.away = true
  spool.say('x')
  spool.end = true
  const feeds = new Feeds(parts())
  feeds.open({ job: JOB, epoch: 1, gateway: 'g' })
  const startMs = clock.bootMs()
  let stoppedMs = 0
  const stopped = feeds.stop(3_000).then(() => {
    stoppedMs = clock.bootMs() - startMs
  })
  await clock.settle(stopped, 10_000)
  expect(stoppedMs).toBe(3_000)

  const other = new Feeds(parts())
  other.open({ job: JOB, epoch: 1, gateway: 'g' })
  const second = other.stop(3_000)
  gateway.away = false
  await clock.settle(second, 2_500)

  expect(gateway.lines).toEqual(['x'])
})
