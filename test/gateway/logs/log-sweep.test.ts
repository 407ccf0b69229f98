import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LogSweep } from '../../../gateway/logs/log-sweep.ts'
import { LOGS_SWEEP_EVERY_MS } from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { LogStore } from '../../../protocol/store/log-store.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

const DAY_MS = 86_400_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let clock: FakeClock

beforeEach(async () => {
  folder = await temporaryFolder()
  clock = new FakeClock()
})

afterEach(() => folder.remove())

async function logOf(runId: string, ageDays: number, bytes: number): Promise<void> {
  const file = join(folder.dir, runId, '0.1.ndjson')
  await mkdir(join(folder.dir, runId))
  await writeFile(file, 'x'.repeat(bytes))
  const at = new Date(clock.wallMs() - ageDays * DAY_MS)
  await utimes(file, at, at)
}

function sweepOf(options: { keptMs?: number; bytesMax?: number }, open: readonly string[] = []) {
  const store = new LogStore(folder.dir)
  const isOpen = (runId: string): boolean => open.includes(runId)
  return new LogSweep({ store, isOpen, clock, log: silentLog() }, { dir: folder.dir, ...options })
}

test('logs go by age, but never those of a run that still writes', async () => {
  await logOf('OLD', 31, 10)
  await logOf('OPEN', 40, 10)
  await logOf('NEW', 1, 10)

  await sweepOf({}, ['OPEN']).sweep()

  expect((await readdir(folder.dir)).sort()).toEqual(['NEW', 'OPEN'])
})

test('the oldest go until the rest fits', async () => {
  await logOf('A', 3, 400)
  await logOf('B', 2, 400)
  await logOf('C', 1, 400)

  await sweepOf({ bytesMax: 900 }).sweep()

  expect((await readdir(folder.dir)).sort()).toEqual(['B', 'C'])
})

test('a folder that is not there yet is nothing to sweep', async () => {
  await folder.remove()

  await expect(sweepOf({}).sweep()).resolves.toBeUndefined()
})

test('it looks every hour until it is stopped', async () => {
  const sweep = sweepOf({})
  sweep.start()
  await logOf('OLD', 31, 10)
  await clock.advance(LOGS_SWEEP_EVERY_MS)
  await eventually('it is gone', async () => (await readdir(folder.dir)).length === 0)
  await eventually('it is armed again', () => clock.armed() === 1)

  await sweep.stop()

  expect(clock.armed()).toBe(0)
})
