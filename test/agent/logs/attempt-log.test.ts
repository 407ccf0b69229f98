import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { AttemptLog, type LogSummary } from '../../../agent/logs/attempt-log.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import {
  LOG_BYTES_MAX,
  LOG_CHUNK_MS_MAX,
  LOG_NOTICE_BYTES_MAX
} from '../../../protocol/core/limits.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { LogAppend } from '../../../protocol/store/job-log.ts'
import { LogStore } from '../../../protocol/store/log-store.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`

let dir: string
let clock: FakeClock
let spool: LogStore
beforeEach(async () => {
  dir = await temporaryFolder()
  clock = new FakeClock()
  spool = new LogStore(dir, { durable: false })
  onTestFinished(() => spool.close())
})

function logTo(store: Pick<LogStore, 'append' | 'finish'>): AttemptLog {
  const parts = { spool: store, clock, log: silentLog() }
  return new AttemptLog(parts, { job: JOB, epoch: 1, onSpooled: () => undefined })
}

/** All lines of a log, and whether it says that nothing follows. */
async function whole(): Promise<{ readonly lines: readonly LogLine[]; readonly end: boolean }> {
  const lines: LogLine[] = []
  for (;;) {
    const page = await spool.read(JOB, 1, lines.length + 1, 1_000)
    if (page.kind === 'absent') return { lines, end: false }
    lines.push(...page.lines)
    if (page.lines.length === 0 || page.end) return { lines, end: page.end }
  }
}

const summaryOf = (lines: readonly { readonly text: string }[]): LogSummary => ({
  lines: lines.length,
  digest: createHash('sha256')
    .update(lines.map(({ text }) => `${text}\n`).join(''))
    .digest('hex')
})

test('a log that is too long ends with how much was left out, and vouches for the rest only', async () => {
  const log = logTo(spool)
  // On disk each of these bytes takes six: 100 MB of rows for 16 MB of text.
  const text = '\u0001'.repeat(16_000)
  for (let index = 0; index < 1_000; index++) log.write(1, 'out', text)
  log.write(1, 'out', 'short enough to fit, but after a hole')

  const summary = await log.close()

  const { lines, end } = await whole()
  const last = lines.at(-1)
  const dropped = 1_001 - (lines.length - 1)
  expect(end).toBe(true)
  expect(lines.length).toBeGreaterThan(600)
  expect(lines.slice(0, -1).every((line) => line.text === text)).toBe(true)
  expect(last).toMatchObject({ number: lines.length, step: 0, stream: 'mesh' })
  const bytes = (dropped - 1) * 16_001 + 38
  expect(last?.text).toBe(
    `the log is cut at ${LOG_BYTES_MAX} bytes; left out here: ${dropped} lines (${bytes} bytes)`
  )
  expect(summary).toEqual(summaryOf(lines))
  // Room for the mark was kept, and not more than that wasted.
  const { size } = await stat(join(dir, RUN, '0.1.ndjson'))
  expect(size).toBeGreaterThan(LOG_BYTES_MAX - 100_000)
  expect(size).toBeLessThan(LOG_BYTES_MAX + 100)
})

test('however closely a log fills its room, there is some for the line that says it is cut', async () => {
  const log = logTo(spool)
  for (let index = 0; index < 697; index++) log.write(1, 'out', '\u0001'.repeat(16_000))
  // Each takes less than what that line needs: the room ends within one of them.
  for (let index = 0; index < 3_000; index++) log.write(1, 'out', 'x')

  const { lines } = await log.close()

  const last = await spool.read(JOB, 1, lines, 10)
  expect(last).toMatchObject({ end: true, lines: [{ number: lines, stream: 'mesh' }] })
  const { size } = await stat(join(dir, RUN, '0.1.ndjson'))
  expect(LOG_BYTES_MAX - size).toBeLessThan(LOG_NOTICE_BYTES_MAX)
})

test('a log that just fits is whole and says nothing of itself', async () => {
  const log = logTo(spool)
  for (let index = 0; index < 690; index++) log.write(1, 'out', '\u0001'.repeat(16_000))

  expect(await log.close()).toMatchObject({ lines: 690 })
  expect((await whole()).lines.at(-1)).toMatchObject({ number: 690, stream: 'out' })
})

test('lines that the spool refuses are neither counted nor vouched for', async () => {
  const kept: LogLine[] = []
  const append = async (_job: string, _epoch: number, first: number, lines: readonly LogLine[]) => {
    expect(first).toBe(kept.length + 1)
    // Takes one line a call while it has room, the last line of the log always.
    const room = lines[0]?.stream === 'mesh' ? 1 : Math.max(0, 3 - kept.length)
    kept.push(...lines.slice(0, room))
    const nextLine = kept.length + 1
    if (room >= lines.length) return { kind: 'acked', nextLine } as const
    return { kind: 'refused', code: 'full', nextLine } as const
  }
  const finish = async (): Promise<LogAppend> => ({ kind: 'acked', nextLine: kept.length + 1 })
  const log = logTo({ append, finish })
  for (const text of ['one', 'two', 'three', 'four', 'five']) log.write(1, 'out', text)
  await clock.advance(LOG_CHUNK_MS_MAX)
  log.write(1, 'out', 'six')

  const summary = await log.close()

  expect(kept.map(({ text }) => text)).toEqual([
    'one',
    'two',
    'three',
    '3 lines of this log could not be kept on the disk'
  ])
  expect(summary).toEqual(summaryOf(kept))
})

test('a disk that fails once costs its lines, not those that follow', async () => {
  let failures = 1
  const failing: Pick<LogStore, 'append' | 'finish'> = {
    append: async (...call) => {
      failures -= 1
      if (failures >= 0) throw new MeshError('LOG_UNAVAILABLE', { job: JOB, cause: 'ENOSPC' })
      return await spool.append(...call)
    },
    finish: (...call) => spool.finish(...call)
  }
  const log = logTo(failing)
  log.write(1, 'out', 'lost')
  await clock.advance(LOG_CHUNK_MS_MAX)
  log.write(1, 'out', 'kept')

  const summary = await log.close()

  const { lines, end } = await whole()
  expect(lines.map(({ number, text }) => [number, text])).toEqual([
    [1, 'kept'],
    [2, '1 line of this log could not be kept on the disk']
  ])
  expect([end, summary]).toEqual([true, summaryOf(lines)])
})

test('an attempt on a dead disk still ends, with nothing to vouch for', async () => {
  const dead = async (): Promise<never> => Promise.reject(new Error('EIO'))
  const log = logTo({ append: dead, finish: dead })
  log.write(1, 'out', 'said to nobody')

  expect(await log.close()).toEqual({ lines: 0, digest: '' })
})

test('a line after a silence is kept at once, those that follow it together', async () => {
  const chunks: string[] = []
  const append = async (_job: string, _epoch: number, first: number, lines: readonly LogLine[]) => {
    chunks.push(lines.map(({ text }) => text).join(' '))
    return await Promise.resolve({ kind: 'acked', nextLine: first + lines.length } as const)
  }
  const log = logTo({ append, finish: async () => ({ kind: 'acked', nextLine: 1 }) })
  log.write(1, 'out', 'one')
  await clock.advance(0)
  log.write(1, 'out', 'two')
  await clock.advance(LOG_CHUNK_MS_MAX - 1)
  log.write(1, 'out', 'three')
  expect(chunks).toEqual(['one'])
  await clock.advance(1)
  expect(chunks).toEqual(['one', 'two three'])
  await clock.advance(LOG_CHUNK_MS_MAX)
  log.write(1, 'out', 'four')
  await clock.advance(0)

  expect(chunks).toEqual(['one', 'two three', 'four'])
})

test('a log that a dead process began goes on behind its last line, and vouches for all of it', async () => {
  const before = logTo(spool)
  before.write(1, 'out', 'one')
  before.write(1, 'err', 'side')
  before.write(1, 'out', 'two')
  await before.flushed()
  before.write(1, 'out', 'never reached the disk')
  const parts = { spool, clock, log: silentLog() }
  const options = { job: JOB, epoch: 1, onSpooled: () => undefined }

  const { log, lines } = await AttemptLog.resume(parts, options)
  log.write(1, 'out', 'three')
  const summary = await log.close()

  expect([lines(1, 'out'), lines(1, 'err'), lines(2, 'out')]).toEqual([2, 1, 0])
  const kept = await whole()
  expect(kept.lines.map(({ number, text }) => `${number} ${text}`)).toEqual([
    '1 one',
    '2 side',
    '3 two',
    '4 three'
  ])
  expect(summary).toEqual(summaryOf(kept.lines))
})

test('a log that nobody began can be resumed: it is empty', async () => {
  const parts = { spool, clock, log: silentLog() }
  const options = { job: JOB, epoch: 1, onSpooled: () => undefined }
  const { log, lines } = await AttemptLog.resume(parts, options)

  expect(lines(1, 'out')).toBe(0)
  expect(await log.close()).toEqual({ lines: 0, digest: '' })
})
