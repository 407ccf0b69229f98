import { readdir, truncate, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { spoolSweep } from '../../../agent/logs/spool-sweep.ts'
import {
  SPOOL_BYTES_HARD_MAX,
  SPOOL_BYTES_MAX,
  SPOOL_KEPT_MS,
  SPOOL_SWEEP_EVERY_MS
} from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { LogStore } from '../../../protocol/store/log-store.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const GIB = 2 ** 30

let dir: string
let clock: FakeClock
let spool: LogStore
let held: string[]

beforeEach(async () => {
  dir = await temporaryFolder()
  clock = new FakeClock()
  spool = new LogStore(dir)
  onTestFinished(() => spool.close())
  held = []
})

interface Wish {
  readonly ageMs: number
  readonly bytes?: number
  readonly delivered?: boolean
  readonly index?: number
}

/** A finished log as an attempt leaves it; its bytes are a hole in the file and take no disk. */
async function logOf(run: string, { ageMs, bytes = 0, delivered, index = 0 }: Wish): Promise<void> {
  const job = `${run}.${index}`
  await spool.append(job, 1, 1, [{ number: 1, atMs: 1, step: 1, stream: 'out', text: 'x' }])
  await spool.finish(job, 1)
  if (delivered === true) await spool.delivered(job, 1)
  const at = new Date(clock.wallMs() - ageMs)
  for (const name of await readdir(join(dir, run))) {
    const file = join(dir, run, name)
    if (name.endsWith('.ndjson') && bytes > 0) await truncate(file, bytes)
    await utimes(file, at, at)
  }
}

const sweepOf = () => {
  return spoolSweep({ spool, held: () => held, clock, log: silentLog() }, { dir })
}

const left = async (): Promise<string[]> => (await readdir(dir)).sort((a, b) => (a < b ? -1 : 1))

test('what the gateway has goes after SPOOL_KEPT_MS, what it has not stays', async () => {
  await logOf('NEW', { ageMs: SPOOL_KEPT_MS - 1_000, delivered: true })
  await logOf('OLD', { ageMs: SPOOL_KEPT_MS + 1_000, delivered: true })
  await logOf('WANTED', { ageMs: 10 * SPOOL_KEPT_MS })

  await sweepOf().sweep()

  expect(await left()).toEqual(['NEW', 'WANTED'])
})

test('a run goes only when every one of its logs is delivered', async () => {
  await logOf('HALF', { ageMs: 2 * SPOOL_KEPT_MS, delivered: true })
  await logOf('HALF', { ageMs: 2 * SPOOL_KEPT_MS, index: 1 })

  await sweepOf().sweep()
  expect(await left()).toEqual(['HALF'])

  await logOf('HALF', { ageMs: 2 * SPOOL_KEPT_MS, index: 1, delivered: true })
  await sweepOf().sweep()
  expect(await left()).toEqual([])
})

test('over SPOOL_BYTES_MAX the oldest delivered logs go until the rest fits', async () => {
  await logOf('A', { ageMs: 40, bytes: GIB, delivered: true })
  await logOf('B', { ageMs: 30, bytes: GIB })
  await logOf('C', { ageMs: 20, bytes: GIB, delivered: true })
  await logOf('D', { ageMs: 10, bytes: SPOOL_BYTES_MAX - 2 * GIB - 1_000, delivered: true })

  await sweepOf().sweep()

  expect(await left()).toEqual(['B', 'C', 'D'])
})

test('only over the hard limit do logs go that no gateway has, and then the oldest first', async () => {
  await logOf('A', { ageMs: 40, bytes: GIB })
  await logOf('B', { ageMs: 30, bytes: SPOOL_BYTES_HARD_MAX - GIB - 1_000 })
  await sweepOf().sweep()
  expect(await left()).toEqual(['A', 'B'])

  await logOf('C', { ageMs: 20, bytes: GIB })
  await sweepOf().sweep()

  expect(await left()).toEqual(['B', 'C'])
})

test('the log of a held attempt stays, whatever its age and whatever it takes', async () => {
  await logOf('HELD', { ageMs: 9 * SPOOL_KEPT_MS, bytes: 2 * SPOOL_BYTES_HARD_MAX })
  await logOf('HELD', { ageMs: 9 * SPOOL_KEPT_MS, index: 1, delivered: true })
  held = ['HELD.1']
  const sweep = sweepOf()
  await sweep.sweep()
  expect(await left()).toEqual(['HELD'])

  held = []
  await sweep.sweep()

  expect(await left()).toEqual([])
})

test('it looks every SPOOL_SWEEP_EVERY_MS until it is stopped', async () => {
  const sweep = sweepOf()
  sweep.start()
  for (const run of ['FIRST', 'SECOND']) {
    await logOf(run, { ageMs: 2 * SPOOL_KEPT_MS, delivered: true })
    await clock.advance(SPOOL_SWEEP_EVERY_MS)
    await eventually(`${run} is gone`, async () => (await left()).length === 0)
    await eventually('it is armed again', () => clock.armed() === 1)
  }

  await sweep.stop()

  expect(clock.armed()).toBe(0)
})

test('a removed log is absent, and the same job may log again', async () => {
  await logOf('AGAIN', { ageMs: 2 * SPOOL_KEPT_MS, delivered: true })
  await sweepOf().sweep()

  expect(await spool.read('AGAIN.0', undefined, 1, 10)).toEqual({ kind: 'absent' })
  const line = { number: 1, atMs: 1, step: 1, stream: 'out', text: 'anew' } as const
  expect(await spool.append('AGAIN.0', 2, 1, [line])).toEqual({ kind: 'acked', nextLine: 2 })
})
