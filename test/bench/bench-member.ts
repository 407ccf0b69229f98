import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Board } from '../../protocol/core/board.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { createMeshNode, type MeshNode } from '../../protocol/mesh/links/node.ts'
import { type MemberRooms, openRooms } from '../../protocol/mesh/member-rooms.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { assembleStore, type MeshStore } from '../../protocol/store/mesh-store.ts'
import { openChecked } from '../../protocol/store/opening.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { decodeRecord, encodeRecord } from '../../protocol/wire/record-codec.ts'

export const clock = systemClock()
export const random = systemRandom()

const LISTEN = '/ip4/127.0.0.1/tcp/0'

/**
 * The rooms of one member of the product over its real store and its real connections. Nothing
 * follows the jobs of others here, just as nothing watches the keys of etcd beside it.
 */
export interface BenchMember {
  readonly key: MeshKey
  readonly boot: string
  readonly book: RosterBook
  readonly node: MeshNode
  readonly rooms: MemberRooms
  readonly store: MeshStore
  /** Synced batches of its store since it was opened. */
  syncs(): number
  stop(): Promise<void>
}

export interface MemberFolder {
  readonly dir: string
  /** Peer id whose rosters it believes. */
  readonly authority: string
}

/** Starts a member that has no roster yet. */
export async function startBenchMember({ dir, authority }: MemberFolder): Promise<BenchMember> {
  await mkdir(join(dir, 'rosters'), { recursive: true })
  const key = generateKey()
  const options = {
    dir: join(dir, 'store'),
    peerId: key.peerId,
    create: true,
    openedBy: 'bench',
    codec: { encodeRecord, decodeRecord },
    onFailure: fail
  }
  let syncs = 0
  const opened = await openChecked(options)
  const { database } = opened
  const counted: typeof database = {
    get: (name) => database.get(name),
    iterator: (range) => database.iterator(range),
    close: () => database.close(),
    batch: (operations, { sync }) => {
      syncs += 1
      return database.batch(operations, { sync })
    }
  }
  const store = await assembleStore({ ...opened, database: counted }, options)
  const book = await RosterBook.open(join(dir, 'rosters'), authority, clock)
  const log = silentLog()
  const boot = random.id(8)
  const node = createMeshNode(
    { key, rosters: book, clock, random, log },
    { listen: [LISTEN], announce: [], gossip: true }
  )
  const board = new Board()
  const common = { key, book, store, clock, random, log, board, node, onFailure: fail }
  const rooms = openRooms(
    { ...common, emit: () => undefined, profile: () => LEASE_PROFILES.default },
    { boot }
  )
  await rooms.witness.start()
  rooms.inquiry.start()
  await node.start()
  const stop = async (): Promise<void> => {
    const asked = rooms.inquiry.stop()
    rooms.recorder.stop()
    await rooms.client.stop()
    await asked
    await rooms.background.stop()
    await rooms.witness.stop()
    await node.stop()
    await store.close()
  }
  return { key, boot, book, node, rooms, store, syncs: () => syncs, stop }
}

function fail(error: Error): never {
  // A bench on a store that failed measures nothing.
  throw error
}
