import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EventParser } from '../../../protocol/api/event-stream.ts'
import { type LogEvent, readLogEvent } from '../../../protocol/api/log-event.ts'
import { LogStreams } from '../../../protocol/api/log-streams.ts'
import { Board } from '../../../protocol/core/board.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { LOG_PAGE_LINES_MAX } from '../../../protocol/core/limits.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { ROSTER } from '../../support/control-parts.ts'
import { eventually } from '../../support/eventually.ts'
import { ScriptedLogs } from '../../support/follow-source.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

const PIPELINE = 'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }\n'
const STREAM = { accept: 'text/event-stream' }

let rig: HttpRig
let logs: ScriptedLogs
let streams: LogStreams
let sealed: SealedAnnouncement
let cancels: string[]
let url: string

beforeEach(async () => {
  cancels = []
  streams = new LogStreams({ max: 2 })
  // With the rig's own board, which is made later.
  const sources = { board: new Board(), clock: systemClock(), roster: () => ROSTER }
  logs = new ScriptedLogs(sources)
  rig = await HttpRig.make({
    api: {
      roster: () => ROSTER,
      streams,
      follow: logs,
      cancel: (job, { reason }) => {
        cancels.push(`${job.jobId} ${reason}`)
        if (reason === 'late') {
          return Promise.reject(new MeshError('JOB_ENDED', { id: job.jobId, state: 'failed' }))
        }
        return Promise.resolve('requested')
      }
    }
  })
  logs.board = rig.board
  sealed = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  rig.board.addRun(sealed, Date.now())
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), 0)
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = rig.app.server.address() as AddressInfo
  url = `http://127.0.0.1:${port}/api/v1/jobs/${sealed.announcement.runId.slice(0, 6)}.0`
})

afterEach(async () => {
  streams.stop()
  await rig.stop()
})

async function open(headers: Record<string, string> = {}, stop = new AbortController()) {
  const token = await rig.bearer()
  const reply = await fetch(`${url}/log`, {
    headers: { ...STREAM, ...token, ...headers },
    signal: stop.signal
  })
  const events: LogEvent[] = []
  const parser = new EventParser()
  const over = (async () => {
    const decoder = new TextDecoder()
    for await (const piece of reply.body ?? []) {
      for (const one of parser.push(decoder.decode(piece, { stream: true }))) {
        const event = readLogEvent(one)
        if (event !== undefined) events.push(event)
      }
    }
  })().catch((error: unknown) => error)
  return { reply, events, over, stop }
}

const numbers = (events: readonly LogEvent[]) =>
  events.flatMap((event) => (event.kind === 'line' ? [event.data.number] : []))

function ends(): void {
  const done = completed({ logLines: 0 })
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()], ['peer-onyx', done]), 0)
}

test('a log is followed to the end of its job, and kept by nobody on the way', async () => {
  const { reply, events, over } = await open()
  logs.write(1, 2)
  await eventually('lines', () => numbers(events).length === 2)
  ends()
  logs.write(1, 1, 'end')
  await over

  expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/)
  expect(reply.headers.get('cache-control')).toBe('no-store')
  expect(events.map(({ kind }) => kind)).toEqual(['attempt', 'line', 'line', 'line', 'end'])
  await eventually('it is closed', () => streams.size === 0)
})

test('a reader that comes back goes on behind its last line', async () => {
  logs.write(1, 5)
  const { events, stop } = await open({ 'last-event-id': '1.3' })
  await eventually('the rest', () => numbers(events).length === 2)
  stop.abort()

  expect(numbers(events)).toEqual([4, 5])
  expect(events[0]?.kind).toBe('line')
  await eventually('it is closed', () => streams.size === 0 && logs.watchers === 0)
})

test('an id that is no place is refused', async () => {
  const { reply } = await open({ 'last-event-id': 'x' })

  expect(reply.status).toBe(400)
})

test('one stream too many is told when to come back', async () => {
  const first = await open()
  const second = await open()
  const third = await open()

  expect(third.reply.status).toBe(503)
  expect(third.reply.headers.get('retry-after')).toBe('5')
  first.stop.abort()
  await eventually('a place is free', () => streams.size === 1)
  expect((await open()).reply.status).toBe(200)
  second.stop.abort()
})

test('a stop of the server ends every stream where it is', async () => {
  logs.write(1, 1)
  const { events, over } = await open()
  await eventually('a line', () => numbers(events).length === 1)
  streams.stop()
  await over

  expect(events.at(-1)?.kind).toBe('line')
  expect((await open()).reply.status).toBe(503)
})

test('a reader that does not read holds the log back: no page is read ahead of it', async () => {
  logs.write(1, 200 * LOG_PAGE_LINES_MAX)
  const token = await rig.bearer()
  const stop = new AbortController()
  const reply = await fetch(`${url}/log`, { headers: { ...STREAM, ...token }, signal: stop.signal })
  let before = -1
  await eventually('nothing more is read', async () => {
    const same = before === logs.asked.length && before > 0
    before = logs.asked.length
    // A turn of sockets and files: what can be sent is.
    await new Promise((resolve) => setImmediate(resolve))
    return same
  })

  expect(reply.status).toBe(200)
  expect(logs.asked.length).toBeLessThan(150)
  stop.abort()
})

test('a job is cancelled with a token that may write, and with no other', async () => {
  const body = JSON.stringify({ reason: 'superseded' })
  const post = async (scopes: readonly string[], text = body) => {
    const headers = { ...(await rig.bearer(scopes)), 'content-type': 'application/json' }
    const reply = await fetch(`${url}/cancel`, { method: 'POST', headers, body: text })
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
  }

  expect(await post(['read'])).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
  expect(cancels).toEqual([])
  expect(await post(['read', 'write'])).toMatchObject({
    status: 200,
    body: { verdict: 'requested', job: { state: 'leased' } }
  })
  expect(cancels).toEqual([`${sealed.announcement.runId}.0 superseded`])
  expect(await post(['write'], '{"reason":"late"}')).toMatchObject({
    status: 409,
    body: { code: 'JOB_ENDED' }
  })
  expect((await post(['write'], '{"reason":""}')).status).toBe(400)
  expect((await post(['write'], '{"extra":1}')).status).toBe(400)
})
