import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf, MeshError } from '../core/errors.ts'
import { writeDurable } from '../host/durable-file.ts'
import { readJournal } from './leveldb-journal.ts'
import { type Manifest, readManifest } from './leveldb-manifest.ts'
import { tableProblem } from './leveldb-table.ts'

/** Says in a store's folder why it is no witness any more; LevelDB leaves foreign names alone. */
const SUSPECT_FILE = 'SUSPECT'

/** LevelDB tells what it lost in these words, nowhere but in its own log (R2). */
const LOSS = /dropping \d+ bytes|Ignoring error/

/** What LevelDB's files are called: all of them but CURRENT, LOCK and its own log. */
const DATA = /^(\d+\.(log|ldb|sst)|MANIFEST-\d+)$/

/**
 * What can be known before LevelDB opens the folder and rewrites its journals: `new` where it holds
 * no database. Throws STORE_SUSPECT, files as they are.
 */
export async function checkFolder(dir: string): Promise<'new' | 'sound'> {
  const names = await namesIn(dir)
  if (names.includes(SUSPECT_FILE)) throw suspect(dir, await reasonIn(dir))
  for (const name of names.filter((each) => each === 'LOG' || each === 'LOG.old')) {
    await checkLog(dir, name)
  }
  for (const name of names.filter((each) => each.endsWith('.log'))) await checkJournal(dir, name)
  if (names.includes('CURRENT')) {
    await checkTables(dir, names)
    return 'sound'
  }
  const orphan = names.find((name) => DATA.test(name))
  if (orphan !== undefined) throw suspect(dir, `it has ${orphan} but no CURRENT`)
  return 'new'
}

/**
 * Why the store in `dir` is doubted, by what lies in it as text; reads only. Rejects with
 * STATE_UNREADABLE.
 */
export async function suspicionOf(dir: string): Promise<string | undefined> {
  try {
    if ((await namesIn(dir)).includes(SUSPECT_FILE)) return await reasonIn(dir)
    for (const name of ['LOG', 'LOG.old']) await checkLog(dir, name)
    return undefined
  } catch (error) {
    if (error instanceof MeshError) return String(error.facts['cause'])
    throw new MeshError('STATE_UNREADABLE', { path: dir, cause: causeOf(error) }, { cause: error })
  }
}

/**
 * Throws STORE_SUSPECT where LevelDB noted a loss in `name`, by default in that of this opening.
 */
export async function checkLog(dir: string, name = 'LOG'): Promise<void> {
  const handle = await openIfThere(join(dir, name))
  if (handle === undefined) return
  try {
    for await (const line of handle.readLines()) {
      if (LOSS.test(line)) throw suspect(dir, line.trim())
    }
  } finally {
    await handle.close()
  }
}

/**
 * LevelDB takes a manifest that ends too early for the truth, and then deletes the newer tables.
 */
async function checkTables(dir: string, names: readonly string[]): Promise<void> {
  const current = Buffer.from((await readIfThere(join(dir, 'CURRENT'))) ?? []).toString('utf8')
  const name = names.find((each) => `${each}\n` === current)
  if (name === undefined) throw suspect(dir, 'CURRENT names no manifest')
  const { tables, journal } = manifestIn(dir, name, await checkJournal(dir, name))
  const newest = fileOf(journal, 'log')
  const handle = journal === 0 ? undefined : await openIfThere(join(dir, newest))
  await handle?.close()
  if (journal > 0 && handle === undefined) throw suspect(dir, `${newest} is gone`)
  for (const number of tables) {
    const file = fileOf(number, 'ldb')
    // LevelDB itself refuses to open without one of its tables.
    const table = await readIfThere(join(dir, file))
    const problem = table === undefined ? undefined : tableProblem(table)
    if (problem !== undefined) throw suspect(dir, `${file} has ${problem}`)
  }
}

function fileOf(number: number, kind: 'log' | 'ldb'): string {
  return `${String(number).padStart(6, '0')}.${kind}`
}

/** The journal's records. */
async function checkJournal(dir: string, name: string): Promise<readonly Uint8Array[]> {
  const journal = await readIfThere(join(dir, name))
  if (journal === undefined) return []
  const { records, problem } = readJournal(journal)
  if (problem !== undefined) throw suspect(dir, `${name}: ${problem}`)
  return records
}

function manifestIn(dir: string, name: string, records: readonly Uint8Array[]): Manifest {
  try {
    return readManifest(records)
  } catch (error) {
    throw suspect(dir, `${name}: ${causeOf(error)}`)
  }
}

/**
 * Makes the doubt outlive this process: LevelDB notes a loss in the log of one opening only.
 * Where this fails too the disk is full or gone, and the store is refused for that.
 */
export async function markSuspect(dir: string, cause: string): Promise<void> {
  try {
    await writeDurable(join(dir, SUSPECT_FILE), `${cause}\n`)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
  }
}

async function reasonIn(dir: string): Promise<string> {
  const reason = await readIfThere(join(dir, SUSPECT_FILE))
  return reason === undefined ? 'it is marked so' : Buffer.from(reason).toString('utf8').trim()
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

// Another process that has the store open may drop a journal while we read: its lock refuses us
// soon after, with the right words.
async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

async function openIfThere(path: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function suspect(dir: string, cause: string): MeshError {
  return new MeshError('STORE_SUSPECT', { dir, cause })
}
