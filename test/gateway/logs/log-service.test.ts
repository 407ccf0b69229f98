import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Holders } from '../../../gateway/logs/holders.ts'
import { readLog } from '../../../gateway/logs/log-reader.ts'
import { LogService, type LogServiceParts } from '../../../gateway/logs/log-service.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import { LOG_HOLDERS_MAX } from '../../../protocol/core/limits.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { LogStore } from '../../../protocol/store/log-store.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { decodeLogReply, encodeLogRequest } from '../../../protocol/wire/log-codec.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const PIPELINE = 'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }\n'
const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline: PIPELINE })
const JOB = `${sealed.announcement.runId}.0`

const first = jobLife(sealed, 0, ['slate', claimed('c1')])
const second = jobLife(sealed, 0, ['slate', claimed('c1')], ['pumice', claimed('c2')])
const ended = jobLife(sealed, 0, ['slate', claimed()], ['slate', completed()])

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: LogStore
let known: JobState | undefined
let chosen: JobState | undefined
let reads: number
let service: LogService
// Those of a real gateway are tested with the secrets.
const maskers: LogServiceParts['maskers'] = {
  masked: async (_job, lines) =>
    lines.map((each) => ({ ...each, text: each.text.replace('s3cret', '***') }))
}

beforeEach(async () => {
  folder = await temporaryFolder()
  store = new LogStore(folder.dir, { durable: true })
  known = undefined
  chosen = undefined
  reads = 0
  service = new LogService({ store, holders: holders(), maskers, log: silentLog() })
})

afterEach(async () => {
  await store.close()
  await folder.remove()
})

function holders(): Holders {
  return new Holders({
    known: () => known,
    read: () => {
      reads += 1
      return Promise.resolve(chosen)
    }
  })
}

function line(number: number): LogLine {
  return { number, atMs: number, step: 1, stream: 'out', text: `line ${number}` }
}

function push(peer: string, epoch: number, firstLine: number, count: number, end = false) {
  const lines = Array.from({ length: count }, (_, index) => line(firstLine + index))
  return service.answer(peer, { kind: 'push', job: JOB, epoch, firstLine, lines, end })
}

test('a log push of the holder is kept and acknowledged, once, however often it is sent', async () => {
  known = first

  expect(await push('slate', 1, 1, 3)).toEqual({ kind: 'acked', nextLine: 4 })
  expect(await push('slate', 1, 2, 4)).toEqual({ kind: 'acked', nextLine: 6 })
  expect(await push('slate', 1, 8, 1)).toEqual({ kind: 'refused', code: 'gap', nextLine: 6 })
  expect(await push('slate', 1, 6, 1, true)).toEqual({ kind: 'acked', nextLine: 7 })

  const page = await store.read(JOB, 1, 1, 100)
  expect(page).toMatchObject({ kind: 'page', next: 7, end: true })
  expect(page.kind === 'page' && page.lines.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6])
})

test('lines that cannot be masked now are not kept, and are taken when they can be', async () => {
  known = first
  const answers = [undefined, [line(1), line(2)]]
  const parts = { store, holders: holders(), log: silentLog() }
  service = new LogService({ ...parts, maskers: { masked: async () => answers.shift() } })

  const later = { kind: 'refused', code: 'unknown_job' }
  expect(await push('slate', 1, 1, 2)).toMatchObject(later)
  expect(await store.read(JOB, undefined, 1, 1)).toEqual({ kind: 'absent' })
  expect(await push('slate', 1, 1, 2)).toEqual({ kind: 'acked', nextLine: 3 })
})

test('a log push of anyone else is refused', async () => {
  known = first

  expect(await push('pumice', 1, 1, 1)).toMatchObject({ kind: 'refused', code: 'not_allowed' })
  expect(await store.read(JOB, undefined, 1, 1)).toEqual({ kind: 'absent' })
})

test('a log push of a lease that is over is refused as soon as the next one is known', async () => {
  known = first
  await push('slate', 1, 1, 1)
  known = second

  expect(await push('slate', 1, 2, 1)).toMatchObject({ kind: 'refused', code: 'stale_epoch' })
  expect(await push('pumice', 2, 1, 1)).toMatchObject({ kind: 'acked' })
})

test('a log push of an epoch that gossip has not told yet is looked up in the register, once', async () => {
  known = first
  chosen = second

  expect(await push('pumice', 2, 1, 1)).toEqual({ kind: 'acked', nextLine: 2 })
  expect(await push('pumice', 2, 2, 1)).toEqual({ kind: 'acked', nextLine: 3 })
  expect(await push('slate', 2, 3, 1)).toMatchObject({ code: 'not_allowed' })
  expect(reads).toBe(1)
  expect(await push('slate', 1, 1, 1)).toMatchObject({ code: 'stale_epoch' })
})

test('a log push of a job that is not known yet, or of an epoch not chosen yet, is asked for again', async () => {
  expect(await push('slate', 1, 1, 1)).toEqual({
    kind: 'refused',
    code: 'unknown_job',
    nextLine: 0
  })
  chosen = first
  expect(await push('pumice', 2, 1, 1)).toMatchObject({ code: 'unknown_job' })
  expect(await push('slate', 1, 1, 1)).toMatchObject({ kind: 'acked' })
})

test('a log push of the last lines is taken after the job has ended', async () => {
  known = ended

  expect(await push('slate', 1, 1, 2, true)).toEqual({ kind: 'acked', nextLine: 3 })
  expect(await push('pumice', 1, 3, 1)).toMatchObject({ code: 'not_allowed' })
})

test('a log push comes over the wire as it is', async () => {
  known = first
  const request = { kind: 'push', job: JOB, epoch: 1, firstLine: 1, end: true } as const

  const body = encodeLogRequest({ ...request, lines: [line(1)] })
  const reply = decodeLogReply(await service.handle('slate', body))

  expect(reply).toEqual({ kind: 'acked', nextLine: 2 })
  await expect(service.handle('slate', new Uint8Array([1, 2, 3]))).rejects.toMatchObject({
    code: 'MESSAGE_INVALID'
  })
})

test('any member reads what is kept, page by page', async () => {
  known = first
  await push('slate', 1, 1, 5)

  const page = await service.answer('reader', {
    kind: 'read',
    job: JOB,
    epoch: undefined,
    fromLine: 4,
    limit: 1
  })

  expect(page).toEqual({ kind: 'page', epoch: 1, lines: [line(4)], next: 5, end: false })
})

test('only so many holders are remembered: the longest silent one is looked up again', async () => {
  chosen = first
  const many = holders()
  for (let index = 0; index <= LOG_HOLDERS_MAX; index += 1) {
    await many.standing(`run.${index}`, 1, 'slate')
  }
  const before = reads

  await many.standing(`run.${LOG_HOLDERS_MAX}`, 1, 'slate')
  await many.standing('run.0', 1, 'slate')

  expect(reads - before).toBe(1)
})

describe('a log is read', () => {
  const question = { job: JOB, epoch: undefined, fromLine: 1, limit: 10, gateway: 'other' }
  const page = { kind: 'page', epoch: 1, lines: [line(1)], next: 2, end: false } as const

  test('from our own store first', async () => {
    known = first
    await push('slate', 1, 1, 1)
    const send = () => Promise.reject(new Error('not asked'))

    const parts = { store, send, self: 'me' }

    expect(await readLog(parts, { ...question, holder: 'slate' })).toEqual(page)
  })

  test('else from the holder, else from the gateway that announced the run', async () => {
    const asked: string[] = []
    const send = (peer: string) => {
      asked.push(peer)
      return peer === 'other' ? Promise.resolve(page) : Promise.reject(new Error('away'))
    }

    const found = await readLog({ store, send, self: 'me' }, { ...question, holder: 'slate' })

    expect(found).toEqual(page)
    expect(asked).toEqual(['slate', 'other'])
  })

  test('and is absent only where everyone who may have it said so', async () => {
    const absent = () => Promise.resolve({ kind: 'absent' as const })
    const away = () => Promise.reject(new Error('connection refused'))
    const ours = { ...question, holder: undefined, gateway: 'me' }

    expect(await readLog({ store, send: away, self: 'me' }, ours)).toEqual({ kind: 'absent' })
    expect(
      await readLog({ store, send: absent, self: 'me' }, { ...question, holder: 'slate' })
    ).toEqual({ kind: 'absent' })
    await expect(
      readLog({ store, send: away, self: 'me' }, { ...question, holder: 'slate' })
    ).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
  })
})
