import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AttemptLog } from '../../../agent/logs/attempt-log.ts'
import { Feed, type LogSend } from '../../../agent/logs/feed.ts'
import { readLog } from '../../../agent/logs/log-reader.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { systemRandom } from '../../../protocol/host/random.ts'
import { LogStore } from '../../../protocol/store/log-store.ts'

const JOB = '7K3QF2ABCDEFGHJKMNPQRSTVWX.0'

let dir = ''
let spool: LogStore
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-logs-'))
  spool = new LogStore(join(dir, 'spool'), { durable: false })
})
afterEach(async () => {
  await spool.close()
  await rm(dir, { recursive: true, force: true })
})

const parts = () => ({ spool, clock: systemClock(), log: silentLog() })

function logOf(epoch: number, onSpooled = (): void => undefined): AttemptLog {
  return new AttemptLog(parts(), { job: JOB, epoch, onSpooled })
}

async function linesOf(store: LogStore): Promise<readonly LogLine[]> {
  const page = await store.read(JOB, undefined, 1, 1_000)
  return page.kind === 'page' ? page.lines : []
}

/** A gateway's end: its own store, and faults that the test switches on. */
class Receiver {
  readonly store = new LogStore(join(dir, 'gateway'), { durable: false })
  failures = 0
  pushes = 0
  readonly send: LogSend = async (_peer, request) => {
    if (request.kind !== 'push') throw new Error('a feed only pushes')
    this.pushes += 1
    if (this.failures > 0) {
      this.failures -= 1
      throw new Error('connection lost')
    }
    const { job, epoch, firstLine, lines, end } = request
    const reply = await this.store.append(job, epoch, firstLine, lines)
    if (end && reply.kind === 'acked') await this.store.finish(job, epoch)
    return reply
  }
}

test('lines are numbered without gaps and their digest is over the text', async () => {
  const log = logOf(1)
  for (let index = 1; index <= 2_500; index++) log.write(1, 'out', `line ${index}`)
  const summary = await log.close()

  const text = Array.from({ length: 2_500 }, (_, index) => `line ${index + 1}\n`).join('')
  expect(summary).toEqual({
    lines: 2_500,
    digest: createHash('sha256').update(text).digest('hex')
  })
  const [first] = await linesOf(spool)
  expect(first).toMatchObject({ number: 1, step: 1, stream: 'out', text: 'line 1' })
})

test('an attempt that says nothing has an empty digest', async () => {
  expect(await logOf(1).close()).toEqual({ lines: 0, digest: '' })
})

test('a feed brings everything over, through failures and a repeated chunk', async () => {
  const gateway = new Receiver()
  gateway.failures = 3
  let notify = (): void => undefined
  const log = logOf(1, () => notify())
  const feedParts = { ...parts(), send: gateway.send, random: systemRandom() }
  const feed = new Feed(feedParts, { job: JOB, epoch: 1, gateway: 'g' })
  notify = () => feed.notify()
  for (let index = 1; index <= 300; index++) log.write(1, 'out', `${index} ${'x'.repeat(400)}`)
  await log.close()
  await feed.finished()

  const got = await linesOf(gateway.store)
  expect(got.map((line) => line.number)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1))
  // 120 kB in chunks of at most 32 KiB, and three tries that failed.
  expect(gateway.pushes).toBeGreaterThanOrEqual(7)
  await gateway.store.close()
})

test('a gateway that has less than we thought is served from where it says', async () => {
  const gateway = new Receiver()
  const log = logOf(1)
  for (let index = 1; index <= 10; index++) log.write(1, 'out', `line ${index}`)
  await log.close()
  let forgot = false
  const send: LogSend = async (peer, request) => {
    if (!forgot && request.kind === 'push') {
      forgot = true
      return { kind: 'acked', nextLine: 6 }
    }
    return await gateway.send(peer, request)
  }
  const feed = new Feed(
    { ...parts(), send, random: systemRandom() },
    { job: JOB, epoch: 1, gateway: 'g' }
  )
  await feed.finished()

  // The first acknowledgement claimed lines that the gateway does not have: it refuses the gap.
  const got = await linesOf(gateway.store)
  expect(got.map((line) => line.number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  await gateway.store.close()
})

test('a later epoch at the gateway ends the feed of an older one', async () => {
  const gateway = new Receiver()
  const line = { number: 1, atMs: 1, step: 1, stream: 'out', text: 'newer' } as const
  await gateway.store.append(JOB, 2, 1, [line])
  const log = logOf(1)
  log.write(1, 'out', 'older')
  await log.close()
  const feed = new Feed(
    { ...parts(), send: gateway.send, random: systemRandom() },
    { job: JOB, epoch: 1, gateway: 'g' }
  )
  await feed.finished()

  expect((await linesOf(gateway.store)).map((one) => one.text)).toEqual(['newer'])
  await gateway.store.close()
})

test('a log is read from our spool, else the holder, else the gateway', async () => {
  const question = {
    job: JOB,
    epoch: undefined,
    fromLine: 1,
    limit: 10,
    holder: 'holder',
    gateway: 'gateway'
  }
  const asked: string[] = []
  const page = { kind: 'page', epoch: 1, lines: [], next: 1, end: true } as const
  const send: LogSend = async (peer) => {
    asked.push(peer)
    if (peer === 'holder') throw new Error('gone')
    return page
  }
  const far = await readLog({ spool, send, self: 'me' }, question)
  expect(far.from).toBe('gateway')
  expect(asked).toEqual(['holder', 'gateway'])

  const log = logOf(1)
  log.write(1, 'out', 'own')
  await log.close()
  expect((await readLog({ spool, send, self: 'me' }, question)).from).toBe('spool')
})

test('a log that may exist but cannot be reached is an error, one that nobody has is empty', async () => {
  const question = {
    job: JOB,
    epoch: undefined,
    fromLine: 1,
    limit: 10,
    holder: 'holder',
    gateway: 'gateway'
  }
  const lost: LogSend = async () => Promise.reject(new Error('gone'))
  await expect(readLog({ spool, send: lost, self: 'me' }, question)).rejects.toMatchObject({
    code: 'LOG_UNAVAILABLE'
  })
  const nobody: LogSend = async () => ({ kind: 'absent' })
  expect((await readLog({ spool, send: nobody, self: 'me' }, question)).from).toBe('none')
})
