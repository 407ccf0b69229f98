import { codeOf, MeshError } from '../core/errors.ts'
import type { WitnessStore } from '../core/ports.ts'
import { type AttemptStore, LevelAttemptStore } from './attempt-store.ts'
import { Committer } from './committer.ts'
import { markSuspect } from './folder-check.ts'
import { type InboxStore, LevelInboxStore } from './inbox-store.ts'
import { META_CLEAN } from './keys.ts'
import { type LastStop, type Opened, type OpeningOptions, openChecked } from './opening.ts'
import { Reader } from './reader.ts'
import { LevelRowTable, type RowTable } from './row-table.ts'
import { sealJson } from './sealed-value.ts'
import { type SyncFigures, SyncMeter } from './sync-meter.ts'
import { Tally } from './tally.ts'
import { LevelWitnessStore } from './witness-store.ts'

/**
 * `dir`: the database's own folder. `peerId`: of this process's key; a store made for another peer
 * is suspect. `create`: true makes a missing store, false makes it STATE_ABSENT. `openedBy`:
 * `agent` or `gateway`. `codec`: wire's `{ encodeRecord, decodeRecord }`.
 */
export interface StoreOptions extends OpeningOptions {
  /** Called once, with STORE_FAILED or STORE_SUSPECT: end the process, answer nothing more. */
  readonly onFailure: (error: MeshError) => void
}

/** All that one member must never forget, in one database with one group commit. */
export interface MeshStore {
  /** Random id of this database, 32 hex digits. */
  readonly storeId: string
  readonly lastStop: LastStop
  readonly witness: WitnessStore
  readonly attempts: AttemptStore
  readonly inbox: InboxStore
  /** What forges are still to be told. */
  readonly outbox: RowTable
  /** What was last seen of repositories on their forges. */
  readonly heads: RowTable
  /** What pipeline files want the calendar to start, and how far that has come. */
  readonly schedules: RowTable
  /** Jobs of forges that wait for runners, and what was done for them. */
  readonly provisions: RowTable
  /** How long its syncs took lately. */
  syncs(): SyncFigures
  /** One listener, called with the milliseconds of each sync from now on. */
  onSync(listener: (ms: number) => void): void
  /**
   * Says that the store lost data (a peer saw a higher sequence than ours): it fails with
   * STORE_SUSPECT at once, and every later open of it too.
   */
  distrust(cause: string): Promise<void>
  /** Syncs what is handed in, marks the clean stop, releases the folder; the second call waits. */
  close(): Promise<void>
}

/**
 * Opens the store of one member. Rejects with STATE_LOCKED (pid `unknown`), STATE_UNWRITABLE,
 * STATE_ABSENT, STORE_SUSPECT (the files are left as they are) or STORE_FAILED.
 */
export async function openStore(options: StoreOptions): Promise<MeshStore> {
  return await assembleStore(await openChecked(options), options)
}

/** The store over an opened database; closes it where that fails. */
export async function assembleStore(opened: Opened, options: StoreOptions): Promise<MeshStore> {
  const { database, storeId, state, lastStop } = opened
  const { dir, codec, openedBy } = options
  const tally = new Tally(state)
  const meter = new SyncMeter()
  const marks = new Set<Promise<void>>()
  const onFailure = (error: MeshError): void => {
    if (codeOf(error) === 'STORE_SUSPECT') {
      // The owner ends the process: the mark must be there by then. Nothing is answered any more.
      const marked = markSuspect(dir, `${error.facts['cause']}`)
      marks.add(marked.then(() => options.onFailure(error)))
    } else {
      options.onFailure(error)
    }
  }
  const committer = new Committer({ database, tally, onFailure, meter }, { dir, wseq: state.wseq })
  const reader = new Reader({ database, committer }, { dir })
  const close = async (): Promise<void> => {
    const value = sealJson(META_CLEAN, { openedBy })
    try {
      await committer.close([{ type: 'put', key: META_CLEAN, value }])
    } finally {
      await Promise.all(marks)
      await database.close()
    }
  }
  try {
    const inbox = await LevelInboxStore.open({ reader, committer })
    let closing: Promise<void> | undefined
    return {
      storeId,
      lastStop,
      witness: new LevelWitnessStore({ reader, committer, tally, codec }, { storeId }),
      attempts: new LevelAttemptStore({ reader, committer }),
      inbox,
      outbox: new LevelRowTable({ reader, committer }, 'u/'),
      heads: new LevelRowTable({ reader, committer }, 'h/'),
      schedules: new LevelRowTable({ reader, committer }, 'c/'),
      provisions: new LevelRowTable({ reader, committer }, 'p/'),
      syncs: () => meter.figures(),
      onSync: (listener) => meter.onSync(listener),
      distrust: async (cause) => {
        committer.fail(new MeshError('STORE_SUSPECT', { dir, cause }))
        await Promise.all(marks)
      },
      close: async () => {
        closing ??= close()
        await closing
      }
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
