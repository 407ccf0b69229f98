import { MemoryLevel } from 'memory-level'
import { MeshError } from '../../protocol/core/errors.ts'
import type { SyncItem } from '../../protocol/core/messages.ts'
import type { HeldRegister, WitnessStore, WitnessWrite } from '../../protocol/core/ports.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { type Database, databaseOver } from '../../protocol/store/database.ts'
import { assembleStore, type MeshStore } from '../../protocol/store/mesh-store.ts'
import { openRows } from '../../protocol/store/opening.ts'
import { JSON_CODEC } from './json-codec.ts'

/** The names that the store takes: `announcementKey` and `recordKey` refuse others. */
const NAME = /^[A-Za-z0-9._:-]{1,256}$/

interface Row {
  readonly write: WitnessWrite
  /** Sequence of the last accepted change, 0 before one. */
  readonly place: number
}

/**
 * A WitnessStore on Maps: the port's rules in their plainest form, sharing no code with the real
 * one. Each write is synced one turn of the loop later, in a batch of its own.
 */
export function memoryWitnessStore(storeId = '0'.repeat(32)): WitnessStore {
  const rows = new Map<string, Row>()
  const announcements = new Map<string, Uint8Array>()
  const items = new Map<number, SyncItem>()
  const floors = new Map<string, number>()
  const tombstones = new Map<string, number>()
  let unsynced: { readonly sequence: number; readonly show: () => void }[] = []
  let wseq = 0
  let handed = 0
  const name = (text: string): string => {
    if (NAME.test(text)) return text
    throw new MeshError('REQUEST_INVALID', { problem: `${text} names nothing` })
  }
  const synced = async (upTo: number): Promise<number> => {
    await new Promise((resolve) => setImmediate(resolve))
    for (const { sequence, show } of unsynced) if (sequence <= upTo) show()
    unsynced = unsynced.filter(({ sequence }) => sequence > upTo)
    wseq = Math.max(wseq, upTo)
    return wseq
  }
  const put = (write: WitnessWrite, sequence: number): void => {
    const { key, record, announcement } = write
    const row = `${name(key.register)}@${key.witnessEpoch}`
    if (announcement !== undefined)
      announcements.set(name(announcement.annHash), announcement.bytes)
    const before = rows.get(row)
    const accepted = record.accepted
    const last = before?.write.record.accepted?.ballot
    const isNew = accepted !== undefined && JSON.stringify(accepted.ballot) !== JSON.stringify(last)
    const place = isNew ? sequence : (before?.place ?? 0)
    rows.set(row, { write, place })
    if (!isNew) return
    const { register, version, phase, annHash } = accepted.value
    const item = { register, witnessEpoch: key.witnessEpoch, version, phase, annHash }
    const show = (): void => {
      items.delete(before?.place ?? 0)
      items.set(place, { ...item, seq: place })
    }
    unsynced.push({ sequence, show })
  }
  return {
    storeId,
    load: async ({ register, witnessEpoch }) =>
      rows.get(`${name(register)}@${witnessEpoch}`)?.write.record,
    save: async (write) => {
      put(write, handed + 1)
      handed += 1
      return await synced(handed)
    },
    barrier: () => synced(handed),
    changes: async (sinceSeq, limit, openOnly) => {
      const open = new Set(['queued', 'leased', 'run'])
      const newer = [...items.values()]
        .filter(({ seq, phase }) => seq > sinceSeq && (!openOnly || open.has(phase)))
        .sort((a, b) => a.seq - b.seq)
      const page = newer.slice(0, limit)
      const more = page.length < newer.length
      const end = Math.max(sinceSeq, ...items.keys())
      return { items: page, next: more ? (page.at(-1)?.seq ?? sinceSeq) : end, more }
    },
    announcement: async (annHash) => announcements.get(name(annHash)),
    floors: async () => new Map(floors),
    raiseFloor: async (gateway, gwSeq) => {
      handed += 1
      const sequence = await synced(handed)
      floors.set(name(gateway), Math.max(gwSeq, floors.get(gateway) ?? 0))
      return sequence
    },
    runs: async (after, limit) => {
      const held = [...rows.values()].map(({ write }) => heldOf(write))
      const ids = [...new Set(held.map(({ register }) => runIdOf(register)))].sort()
      const newer = ids.filter((id) => id > after)
      const page = newer.slice(0, limit)
      const runs = page.map((id) => held.filter(({ register }) => runIdOf(register) === id))
      return { runs, next: page.length < newer.length ? page.at(-1) : undefined }
    },
    drop: async ({ keys, annHashes, wallMs }) => {
      for (const { register, witnessEpoch } of keys) {
        const row = `${name(register)}@${witnessEpoch}`
        items.delete(rows.get(row)?.place ?? 0)
        rows.delete(row)
        if (!tombstones.has(row)) tombstones.set(row, wallMs)
      }
      for (const annHash of annHashes) announcements.delete(annHash)
      handed += 1
      return await synced(handed)
    },
    isDropped: async ({ register, witnessEpoch }) => {
      return tombstones.has(`${name(register)}@${witnessEpoch}`)
    },
    forget: async (isOver, after, limit) => {
      const newer = [...tombstones.keys()].filter((row) => row > after)
      newer.sort((a, b) => (a < b ? -1 : 1))
      const page = newer.slice(0, limit)
      for (const row of page) if (isOver(tombstones.get(row) ?? 0)) tombstones.delete(row)
      return page.length < newer.length ? page.at(-1) : undefined
    }
  }
}

function heldOf({ key, record }: WitnessWrite): HeldRegister {
  const value = record.accepted?.value
  return { ...key, phase: value?.phase, annHash: value?.annHash ?? '' }
}

export interface MemoryStoreOptions {
  readonly peerId?: string
  readonly onFailure?: (error: MeshError) => void
}

/** A whole MeshStore on memory-level: the real classes over a database that forgets. */
export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<MeshStore> {
  const all = {
    // A folder that can never be there: nothing is written to a disk.
    dir: '/dev/null/memory',
    peerId: options.peerId ?? 'peer-a',
    create: true,
    openedBy: 'test',
    codec: JSON_CODEC,
    onFailure: options.onFailure ?? (() => undefined)
  }
  return await assembleStore(await openRows(await memoryDatabase(), all), all)
}

/** What `openDatabase` gives, without a disk. */
export async function memoryDatabase(): Promise<Database> {
  const database = new MemoryLevel<string, Uint8Array>({
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    storeEncoding: 'view'
  })
  await database.open()
  return databaseOver(database)
}
