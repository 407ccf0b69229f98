import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withFileLock } from '../../../protocol/host/file-lock.ts'

let dir = ''
let file = ''
let lock = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-lock-'))
  file = join(dir, 'tokens.json')
  lock = `${file}.lock`
})

afterEach(() => rm(dir, { recursive: true, force: true }))

/** Reads, lets everyone else have a turn, and writes: loses counts where two do it at once. */
async function countUp(): Promise<void> {
  const count = Number(await readFile(file, 'utf8').catch(() => '0'))
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  await writeFile(file, String(count + 1))
}

/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await new Promise((resolve) => child.once('close', resolve))
  return child.pid ?? -1
}

/** Ticks since boot at which this process began. */
async function ownStart(): Promise<string> {
  const stat = await readFile('/proc/self/stat', 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

const AT_ONCE = { waitMsMax: 0 }
const change = () => Promise.resolve('changed')

test('twenty changes at once come one after the other, and leave nothing behind', async () => {
  await Promise.all(Array.from({ length: 20 }, () => withFileLock(file, countUp)))

  expect(await readFile(file, 'utf8')).toBe('20')
  expect(await readdir(dir)).toEqual(['tokens.json'])
})

test('a change that fails frees the file', async () => {
  const failing = withFileLock(file, () => Promise.reject(new Error('broken')))

  await expect(failing).rejects.toThrow('broken')
  expect(await withFileLock(file, change, AT_ONCE)).toBe('changed')
})

test('a lock names the process that holds it, for others to see', async () => {
  const seen = await withFileLock(file, () => readFile(lock, 'utf8'))

  expect(seen).toBe(`${process.pid} ${await ownStart()}\n`)
})

test('a lock of a living process is waited for, and then said', async () => {
  await writeFile(lock, `${process.pid} ${await ownStart()}\n`)

  const waiting = withFileLock(file, change, { waitMsMax: 50 })

  await expect(waiting).rejects.toMatchObject({
    code: 'FILE_LOCKED',
    message: `${file} is being changed by process ${process.pid}: try again; if there is no such process, remove ${lock}*`,
    kind: { exit: 5 }
  })
  expect(await readdir(dir)).toEqual(['tokens.json.lock'])
})

test('a lock that says nothing of its holder is nobody else to remove', async () => {
  await writeFile(lock, '')

  const waiting = withFileLock(file, change, AT_ONCE)

  await expect(waiting).rejects.toMatchObject({ code: 'FILE_LOCKED', facts: { pid: 'unknown' } })
})

test('a lock of a dead process is taken over, by one of twenty at a time', async () => {
  await writeFile(lock, `${await deadPid()} 1\n`)

  await Promise.all(Array.from({ length: 20 }, () => withFileLock(file, countUp)))

  expect(await readFile(file, 'utf8')).toBe('20')
  expect(await readdir(dir)).toEqual(['tokens.json'])
})

test('a lock that two died over is left to a person', async () => {
  const dead = `${await deadPid()} 1\n`
  await writeFile(lock, dead)
  await writeFile(`${lock}.clearing`, dead)

  const waiting = withFileLock(file, change, { waitMsMax: 50 })

  await expect(waiting).rejects.toMatchObject({ code: 'FILE_LOCKED' })
})

test('a lock whose process number is somebody else now is taken over', async () => {
  await writeFile(lock, `${process.pid} 1\n`)

  expect(await withFileLock(file, change, AT_ONCE)).toBe('changed')
})

test('a folder that cannot be written to is said as such', async () => {
  const nowhere = withFileLock('/dev/null/x', change)

  await expect(nowhere).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
})
