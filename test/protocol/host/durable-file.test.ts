import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeStateFolder, unwritable, writeDurable } from '../../../protocol/host/durable-file.ts'
import { readPid, removePid, writePid } from '../../../protocol/host/pid-lock.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-durable-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('a durable write replaces the file and leaves nothing else', async () => {
  const path = join(dir, 'roster')
  await writeDurable(path, 'old')
  await writeDurable(path, 'new')

  expect(await readFile(path, 'utf8')).toBe('new')
  expect(await readdir(dir)).toEqual(['roster'])
})

test('a state folder below a file is refused with its name', async () => {
  await writeFile(join(dir, 'file'), '')

  const made = makeStateFolder(join(dir, 'file', 'state'))
  await expect(made).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
  await expect(writeDurable(join(dir, 'absent', 'x'), '')).rejects.toMatchObject({
    code: 'STATE_UNWRITABLE'
  })
})

test('the pid file names the process, and only its own process removes it', async () => {
  const path = join(dir, 'agent.pid')
  expect(await readPid(path)).toBe('unknown')

  await writePid(path)
  expect(await readPid(path)).toBe(process.pid)

  await writeFile(path, '1\n')
  await removePid(path)
  expect(await readPid(path)).toBe(1)
})

test('a state folder is made with its parents, for this user alone, as often as it is asked for', async () => {
  const state = join(dir, 'a', 'b', 'state')

  for (const asked of [state, state, `${state}/`, join(dir, 'a')]) await makeStateFolder(asked)

  for (const made of [state, join(dir, 'a'), join(dir, 'a', 'b')]) {
    expect((await stat(made)).mode & 0o777, made).toBe(0o700)
  }
})

test('a place that takes no folders is refused, not tried for ever', async () => {
  // Node's own recursive mkdir goes round for ever here: the parent is there, the child never is.
  for (const state of ['/proc/nope', '/proc/nope/deeper']) {
    await expect(makeStateFolder(state)).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE',
      facts: { state }
    })
  }
})

test('a process id that cannot be kept is no bug', async () => {
  await expect(writePid('/proc/agent.pid')).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
})

test('on a full disk the way out is room, not another folder', () => {
  const full = unwritable('/state', new Error('ENOSPC: no space left on device, write'))
  expect(full.message).toBe(
    'cannot write to /state (ENOSPC: no space left on device, write): make room on its disk'
  )
})
