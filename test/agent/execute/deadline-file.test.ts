import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEADLINE_NAME, DeadlineFile, readDeadline } from '../../../agent/execute/deadline-file.ts'

/** What the host's clock says in each of these. */
const clock = { bootMs: () => 5_009 }

let leases: string
beforeEach(async () => {
  leases = await mkdtemp(join(tmpdir(), 'rm-leases-'))
})
afterEach(async () => {
  await rm(leases, { recursive: true, force: true })
})

test('the last deadline that was asked for is the one that stays, in hundredths of a second', async () => {
  const file = await DeadlineFile.create(leases, 'RUN.0', 'c1', clock)

  await Promise.all([10_009, 20_000, 30_019].map((ms) => file.write(ms)))

  expect(await readFile(join(file.dir, DEADLINE_NAME), 'utf8')).toBe('3001\n500\n')
  expect(await readdir(file.dir)).toEqual([DEADLINE_NAME])
})

test('what it says beside the deadline, when it was written, is no part of the deadline', async () => {
  const file = await DeadlineFile.create(leases, 'RUN.0', 'c1', clock)
  await file.write(30_019)

  expect(await readDeadline(file.dir)).toBe(30_010)
})

test('a guard of another user can read it', async () => {
  const file = await DeadlineFile.create(leases, 'RUN.0', 'c1', clock)
  await file.write(10_000)

  const modes = await Promise.all([file.dir, join(file.dir, DEADLINE_NAME)].map((at) => stat(at)))
  expect(modes.map(({ mode }) => mode & 0o777)).toEqual([0o755, 0o444])
})

test('a renewal that ends after the attempt neither fails nor brings the folder back', async () => {
  const file = await DeadlineFile.create(leases, 'RUN.0', 'c1', clock)
  const before = file.write(10_000)
  const removed = file.remove()
  const late = file.write(20_000)

  await expect(Promise.all([before, removed, late])).resolves.toBeDefined()
  expect(await readdir(leases)).toEqual([])
})
