import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'
import { hashOf, promiseOf } from '../../support/store-records.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const WRITER = join(ROOT, 'test/support/store-writer.ts')
const KILLS = 3
const ACKED_BEFORE_KILL = 400
const JOURNAL_BYTES_MAX = 262_144

interface Writer {
  readonly child: ChildProcess
  /** All it told so far. */
  readonly lines: string[]
  /** Resolves once `lines` holds `count` of those that start with `word`. */
  told(word: string, count: number): Promise<void>
  /** Resolves when it is gone and all it told is here. */
  readonly gone: Promise<unknown>
}

function writerOn(dir: string, firstRound: number): Writer {
  const args = ['--import', 'tsx', WRITER, dir, String(firstRound)]
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  const gone = once(child, 'close')
  const told = async (word: string, count: number): Promise<void> => {
    while (lines.filter((line) => line.startsWith(word)).length < count) {
      await Promise.race([once(output, 'line'), gone])
      if (child.exitCode !== null) throw new Error(`it ended before it told ${word}`)
    }
  }
  return { child, lines, gone, told }
}

/** The last acknowledged round of each register. */
function ackedIn(lines: readonly string[]): Map<string, number> {
  const acked = new Map<string, number>()
  for (const line of lines) {
    const [word, writer, round] = line.split(' ')
    if (word === 'acked') acked.set(`RUN.${writer}`, Number(round))
  }
  return acked
}

async function expectAllIn(dir: string, acked: ReadonlyMap<string, number>): Promise<void> {
  const store = await storeIn(dir, { create: false })
  for (const [register, round] of acked) {
    const record = await store.witness.load({ register, witnessEpoch: 1 })
    expect(record?.promised.round, register).toBeGreaterThanOrEqual(round)
  }
  const { items } = await store.witness.changes(0, 100, false)
  expect(items.map((item) => item.register).sort()).toEqual([...acked.keys()].sort())
  expect(store.lastStop).toBe('unclean')
  await store.close()
}

test('a process killed in the middle of writing has lost nothing that it acknowledged', async () => {
  const dir = await temporaryFolder()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const writer = writerOn(dir, 1 + kill * 1_000_000)
    await writer.told('acked', ACKED_BEFORE_KILL)
    writer.child.kill('SIGKILL')
    await writer.gone

    const acked = ackedIn(writer.lines)
    expect(acked.size).toBe(16)
    await expectAllIn(dir, acked)
  }
}, 20_000)

test('a disk that is full ends all acknowledgements at once, and has what was acknowledged', async () => {
  const dir = await temporaryFolder()
  const writer = writerOn(dir, 1)
  await writer.told('ready', 1)
  // A journal that may not grow is what a full disk is to LevelDB: the write comes back short.
  const limit = ['--pid', String(writer.child.pid), `--fsize=${JOURNAL_BYTES_MAX}`]
  await promisify(execFile)('prlimit', limit)
  await writer.gone

  const words = writer.lines.map((line) => line.split(' ')[0])
  const ends = words.indexOf('failed')
  expect(words.slice(ends)).not.toContain('acked')
  expect(words.filter((word) => word === 'failed')).toHaveLength(16 * 50)
  expect(writer.lines.filter((line) => line.startsWith('told'))).toEqual(['told STORE_FAILED'])
  expect(new Set(writer.lines.slice(ends))).toEqual(new Set(['failed STORE_FAILED']))
  await expectAllIn(dir, ackedIn(writer.lines))
}, 20_000)

test('tables that LevelDB made and merged meanwhile are no reason for doubt', async () => {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  const bytes = Buffer.alloc(200_000, 'an announcement ')
  for (let index = 0; index < 240; index += 1) {
    const register = `RUN.${index}`
    const announcement = { annHash: hashOf(register), bytes }
    const key = { register, witnessEpoch: 1 }
    await store.witness.save({ key, record: promiseOf(index + 1), announcement })
  }
  await store.close()

  expect((await readdir(dir)).filter((name) => name.endsWith('.ldb')).length).toBeGreaterThan(1)
  const again = await storeIn(dir, { create: false })
  expect(again.lastStop).toBe('clean')
  expect(await again.witness.announcement(hashOf('RUN.7'))).toHaveLength(bytes.length)
}, 20_000)
