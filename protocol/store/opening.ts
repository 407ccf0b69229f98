import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, MeshError } from '../core/errors.ts'
import { syncFolder } from '../host/durable-file.ts'
import { systemRandom } from '../host/random.ts'
import type { RecordCodec } from './codec.ts'
import { type Database, openDatabase, openProblem } from './database.ts'
import { filteredDatabase } from './filtered-database.ts'
import { checkFolder, checkLog, markSuspect } from './folder-check.ts'
import { META_CLEAN, META_STORE, META_WSEQ } from './keys.ts'
import { checkRows, type StoreState } from './row-check.ts'
import { RowFilter } from './row-filter.ts'
import { sealJson, unsealJson } from './sealed-value.ts'

/** Bytes of a storeId: two databases never share one. */
const STORE_ID_BYTES = 16

export interface OpeningOptions {
  readonly dir: string
  readonly peerId: string
  readonly create: boolean
  readonly openedBy: string
  readonly codec: RecordCodec
}

/** How the process before this one stopped; for people, decides nothing. */
export type LastStop = 'new' | 'clean' | 'unclean'

export interface Opened {
  /** All later writes go through it, never through the one below: see `filteredDatabase`. */
  readonly database: Database
  readonly storeId: string
  readonly state: StoreState
  readonly lastStop: LastStop
}

interface Identity {
  readonly storeId: string
  readonly peerId: string
}

/** What touches the folder; tests put another process, or a loss, in between. */
export interface OpeningTools {
  readonly check: typeof checkFolder
  readonly open: typeof openDatabase
}

const TOOLS: OpeningTools = { check: checkFolder, open: openDatabase }

/** Checks of a folder that changes under them, before it counts as in use. */
const CHECKS_MAX = 5

/** The start of a store (lease-protocol 4.8, 1 to 3 and 5), with the errors of `openStore`. */
export async function openChecked(options: OpeningOptions, tools = TOOLS): Promise<Opened> {
  const { dir } = options
  try {
    if ((await checkStill(dir, tools)) === 'new' && !options.create) throw absent(options)
    const database = await tools.open(dir, options.create)
    try {
      // LevelDB has just replayed its journals: what it lost is in this log and in no later one.
      // Whoever tried to open it since has moved that log aside, before the lock refused it.
      for (const name of ['LOG', 'LOG.old']) await remembered(dir, checkLog(dir, name))
      if (options.create) await syncFolder(dirname(dir))
      return await openRows(database, options)
    } catch (error) {
      await database.close()
      throw error
    }
  } catch (error) {
    throw error instanceof MeshError ? error : openProblem(dir, error)
  }
}

/**
 * The check comes before the lock, which LevelDB takes only when it opens. Another process that
 * opens the folder meanwhile replaces its journal and manifest: read half before and half after
 * that, a sound store looks like one with a loss. So a doubt counts only where nothing has changed.
 */
async function checkStill(dir: string, { check }: OpeningTools): Promise<'new' | 'sound'> {
  for (let checks = 1; ; checks += 1) {
    const before = await traceOf(dir)
    try {
      return await check(dir)
    } catch (error) {
      if (codeOf(error) !== 'STORE_SUSPECT' || (await traceOf(dir)) === before) throw error
      if (checks < CHECKS_MAX) continue
      throw new MeshError('STATE_LOCKED', { state: dir, pid: 'unknown' }, { cause: error })
    }
  }
}

/** Differs where a file of the folder has come, gone or been written to. */
async function traceOf(dir: string): Promise<string> {
  const names = await readdir(dir).catch(() => [])
  const files = names.map(async (name) => {
    const found = await stat(join(dir, name), { bigint: true }).catch(() => undefined)
    return [name, found?.ino, found?.size, found?.mtimeNs].join(' ')
  })
  return (await Promise.all(files)).join('\n')
}

/** The part of the start that reads rows; `database` stays open when it throws. */
export async function openRows(database: Database, options: OpeningOptions): Promise<Opened> {
  const { dir, codec } = options
  const clean = (await database.get(META_CLEAN)) !== undefined
  // Deleted first thing: the mark of an earlier stop must not vouch for this one.
  await database.batch([{ type: 'del', key: META_CLEAN }], { sync: true })
  const known = await database.get(META_STORE)
  const filter = new RowFilter()
  const filtered = filteredDatabase(database, filter)
  if (known === undefined) return { ...(await makeStore(filtered, options)), lastStop: 'new' }
  const identity = unsealJson<Identity>(dir, META_STORE, known)
  if (identity.peerId !== options.peerId) {
    const cause = `it belongs to ${identity.peerId}, not to ${options.peerId}`
    throw new MeshError('STORE_SUSPECT', { dir, cause })
  }
  const state = await remembered(dir, checkRows({ database, codec, filter }, dir))
  return {
    database: filtered,
    storeId: identity.storeId,
    state,
    lastStop: clean ? 'clean' : 'unclean'
  }
}

async function makeStore(
  database: Database,
  options: OpeningOptions
): Promise<Omit<Opened, 'lastStop'>> {
  const { dir, peerId } = options
  for await (const [key] of database.iterator({ gt: '', lt: '\uffff' })) {
    const cause = `it has ${key} but no identity`
    throw new MeshError('STORE_SUSPECT', { dir, cause })
  }
  if (!options.create) throw absent(options)
  const storeId = systemRandom().id(STORE_ID_BYTES)
  const identity: Identity = { storeId, peerId }
  const state: StoreState = { wseq: 0, records: 0, digest: 0 }
  await database.batch(
    [
      { type: 'put', key: META_STORE, value: sealJson(META_STORE, identity) },
      { type: 'put', key: META_WSEQ, value: sealJson(META_WSEQ, state) }
    ],
    { sync: true }
  )
  return { database, storeId, state }
}

/** A loss that was found once must be known at every later start. */
async function remembered<Result>(dir: string, check: Promise<Result>): Promise<Result> {
  try {
    return await check
  } catch (error) {
    if (error instanceof MeshError && codeOf(error) === 'STORE_SUSPECT') {
      await markSuspect(dir, String(error.facts['cause']))
    }
    throw error
  }
}

function absent({ dir, openedBy }: OpeningOptions): MeshError {
  const fix = `run \`${openedBy} id\` first`
  return new MeshError('STATE_ABSENT', { state: dirname(dir), file: basename(dir), fix })
}
