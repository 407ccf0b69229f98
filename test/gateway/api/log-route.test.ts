import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LogQuestion } from '../../../gateway/logs/log-reader.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import {
  LOG_BYTES_MAX,
  LOG_LINE_BYTES_MAX,
  LOG_PAGE_LINES_MAX
} from '../../../protocol/core/limits.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import type { LogRead } from '../../../protocol/store/job-log.ts'
import { ROSTER } from '../../support/control-parts.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { keptLog } from '../../support/kept-log.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const PIPELINE = 'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }\n'

/** Lines of each epoch, as some member keeps them; pages of at most three lines. */
let logs: Map<number, readonly LogLine[]>
let asked: LogQuestion[]
let rig: HttpRig
let token: { authorization: string }
let sealed: SealedAnnouncement
let url: string

beforeEach(async () => {
  logs = new Map()
  asked = []
  rig = await HttpRig.make({
    api: {
      roster: () => ROSTER,
      readLog: (question) => {
        asked.push(question)
        const epoch = question.epoch ?? Math.max(...logs.keys(), 0)
        const lines = logs.get(epoch)
        if (lines === undefined) return Promise.resolve({ kind: 'absent' })
        const from = question.fromLine - 1
        const page = lines.slice(from, from + 3)
        const next = question.fromLine + page.length
        return Promise.resolve({ kind: 'page', epoch, lines: page, next, end: next > lines.length })
      }
    }
  })
  token = await rig.bearer()
  sealed = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  rig.board.addRun(sealed, Date.now())
  url = `/api/v1/jobs/${sealed.announcement.runId.slice(0, 6)}.0/log`
})

afterEach(() => rig.stop())

function linesOf(...texts: readonly string[]): LogLine[] {
  return texts.map((text, index) => {
    return { number: index + 1, atMs: 1_767_225_600_000 + index, step: 1, stream: 'out', text }
  })
}

function get(query = '', headers: Record<string, string> = {}) {
  return rig.app.inject({ method: 'GET', url: `${url}${query}`, headers: { ...token, ...headers } })
}

test('a log is plain text, whole, whatever the size of its pages', async () => {
  logs.set(1, linesOf('one', '', 'three', 'vier — ü', '<b>five</b>', '6', '7'))

  const reply = await get()

  expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8')
  expect(reply.headers['x-content-type-options']).toBe('nosniff')
  expect(reply.headers['runner-mesh-epoch']).toBe('1')
  expect(reply.body).toBe('one\n\nthree\nvier — ü\n<b>five</b>\n6\n7\n')
})

test('a client that knows some lines asks from the next one', async () => {
  logs.set(1, linesOf('1', '2', '3', '4'))

  expect((await get('?from=3')).body).toBe('3\n4\n')
  expect((await get('?from=5')).body).toBe('')
  expect((await get('?from=0')).statusCode).toBe(400)
})

test.each([
  ['?format=json', {}],
  ['', { accept: 'application/x-ndjson' }]
])('lines are documents where they are asked for by %j %j', async (query, headers) => {
  logs.set(1, linesOf('a', 'b'))

  const reply = await get(query, headers)

  expect(reply.headers['content-type']).toBe('application/x-ndjson; charset=utf-8')
  expect(
    reply.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  ).toEqual([
    { number: 1, at: '2026-01-01T00:00:00.000Z', step: 1, stream: 'out', text: 'a' },
    { number: 2, at: '2026-01-01T00:00:00.001Z', step: 1, stream: 'out', text: 'b' }
  ])
})

test('each attempt has a log of its own; the latest is shown', async () => {
  logs.set(1, linesOf('first try'))
  logs.set(2, linesOf('second try'))

  expect((await get()).body).toBe('second try\n')
  expect((await get('?epoch=1')).body).toBe('first try\n')
  expect((await get('?epoch=3')).body).toBe('')
})

test('an attempt that starts while a log is read does not get into it', async () => {
  logs.set(1, linesOf('1', '2', '3', '4'))
  const reading = get()
  logs.set(2, linesOf('x', 'x', 'x', 'new'))

  const { body, headers } = await reading

  const epoch = Number(headers['runner-mesh-epoch'])
  expect(body).toBe(epoch === 1 ? '1\n2\n3\n4\n' : 'x\nx\nx\nnew\n')
  expect(new Set(asked.slice(1).map((question) => question.epoch))).toEqual(new Set([epoch]))
})

test('holder and announcing gateway are asked for what is not here', async () => {
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), 0)

  await get()

  expect(asked[0]).toMatchObject({ holder: 'peer-onyx', gateway: rig.key.peerId, fromLine: 1 })
})

test('a job that has logged nothing has an empty log', async () => {
  const reply = await get()

  expect([reply.statusCode, reply.body]).toEqual([200, ''])
})

test('a log that exists but that nobody gives is a 503, not an empty one', async () => {
  const outcome = completed({ logLines: 7 })
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', outcome]), 0)

  const reply = await get()

  expect(reply.json()).toMatchObject({ status: 503, code: 'LOG_UNAVAILABLE' })
  expect(reply.headers['retry-after']).toBeDefined()
})

test('a disk that cannot be read is a 503 before the first byte', async () => {
  await rig.stop()
  const facts = { job: 'j', cause: 'EIO /var/lib/x' }
  const readLog = () => Promise.reject(new MeshError('LOG_UNAVAILABLE', facts))
  rig = await HttpRig.make({ api: { readLog } })
  token = await rig.bearer()
  rig.board.addRun(sealed, 0)

  const reply = await get()

  expect(reply.statusCode).toBe(503)
  expect(reply.body).not.toContain('/var/lib')
})

describe('a log whose next page is wrong is cut off, never shown as whole, and logged', () => {
  async function reopen(readLog: (from: number, epoch: number | undefined) => LogRead) {
    const kept = keptLog()
    await rig.stop()
    rig = await HttpRig.make({
      log: kept.log,
      api: {
        readLog: async (question) => {
          asked.push(question)
          return await Promise.resolve(readLog(question.fromLine, question.epoch))
        }
      }
    })
    token = await rig.bearer()
    rig.board.addRun(sealed, 0)
    return kept.lines
  }

  function page(from: number, change: Partial<Extract<LogRead, { kind: 'page' }>> = {}): LogRead {
    const lines = linesOf('line')
    return { kind: 'page', epoch: 1, lines, next: from + 1, end: false, ...change }
  }

  test.each<[string, (from: number) => LogRead, string]>([
    ['it is the same again', (from) => page(from, { next: from }), 'does not go on'],
    ['it goes back', (from) => page(from, { next: 1 }), 'does not go on'],
    ['it is of another attempt', (from) => page(from, { epoch: 2 }), 'another attempt'],
    ['it is gone', () => ({ kind: 'absent' }), 'nobody who has it answers'],
    [
      'it cannot be read',
      () => {
        throw new Error('EIO /var/lib/x')
      },
      'EIO'
    ]
  ])('%s', async (_name, second, cause) => {
    const lines = await reopen((from) => (from === 1 ? page(from) : second(from)))

    await expect(get()).rejects.toThrow()

    expect(asked.map(({ fromLine }) => fromLine)).toEqual([1, 2])
    const [logged] = lines.filter(({ msg }) => msg === 'log not sent to its end')
    const job = `${sealed.announcement.runId}.0`
    expect(logged).toMatchObject({ level: 40, job, epoch: 1, from: 2 })
    expect(logged?.['cause']).toContain(cause)
  })

  test('there is always one more', async () => {
    const text = 'x'.repeat(LOG_LINE_BYTES_MAX)
    const many = linesOf(...Array.from({ length: LOG_PAGE_LINES_MAX }, () => text))
    const lines = await reopen((from) => page(from, { lines: many, next: from + many.length }))

    await expect(get()).rejects.toThrow()

    const pageBytes = LOG_PAGE_LINES_MAX * LOG_LINE_BYTES_MAX
    expect(asked.length).toBeLessThanOrEqual(Math.ceil(LOG_BYTES_MAX / pageBytes) + 1)
    expect(lines.at(-1)?.['cause']).toContain(`over ${LOG_BYTES_MAX} bytes`)
  })

  test('it is the first', async () => {
    await reopen((from) => page(from, { next: from }))

    const reply = await get()

    expect(reply.json()).toMatchObject({ status: 503, code: 'LOG_UNAVAILABLE' })
  })
})

test('a reader that goes away is no failure', async () => {
  const kept = keptLog()
  await rig.stop()
  const lines = linesOf(...Array.from({ length: LOG_PAGE_LINES_MAX }, () => 'line'))
  rig = await HttpRig.make({
    log: kept.log,
    api: {
      readLog: ({ fromLine }) => {
        return Promise.resolve({ kind: 'page', epoch: 1, lines, next: fromLine + 1, end: false })
      }
    }
  })
  token = await rig.bearer()
  rig.board.addRun(sealed, 0)
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = rig.app.server.address() as AddressInfo

  const stop = new AbortController()
  const reply = await fetch(`http://127.0.0.1:${port}${url}`, {
    headers: token,
    signal: stop.signal
  })
  await reply.body?.getReader().read()
  stop.abort()
  await rig.app.close()

  expect(kept.lines.filter(({ msg }) => msg === 'log not sent to its end')).toEqual([])
})

test('the log of a job that nobody knows is a 404', async () => {
  url = '/api/v1/jobs/ZZZZZZ.0/log'

  expect((await get()).json()).toMatchObject({ status: 404, code: 'JOB_UNKNOWN' })
})
