import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { type StatePaths, statePaths } from '../../protocol/host/paths.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { Member } from '../../protocol/mesh/member.ts'
import { loadKey, makeIdentity, openStateStore } from '../../protocol/mesh/members/identity.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import type { MeshStore } from '../../protocol/store/mesh-store.ts'
import { eventually } from './eventually.ts'
import { sealRun } from './memory-mesh.ts'
import { LOOPBACK } from './mesh-nodes.ts'

/** A gateway in the test's own process that asks things of a real daemon's witness. */
export class GuestGateway {
  /** `peerId/storeId`, as `agent admit` wants it. */
  readonly id: string
  readonly #paths: StatePaths
  readonly #authority: string
  #member: Member | undefined
  #store: MeshStore | undefined

  private constructor(paths: StatePaths, authority: string, id: string) {
    this.#paths = paths
    this.#authority = authority
    this.id = id
  }

  static async make(state: string, authority: string): Promise<GuestGateway> {
    const paths = statePaths('gateway', { state }, {})
    const { peerId, storeId } = await makeIdentity('gateway', paths, authority)
    return new GuestGateway(paths, authority, `${peerId}/${storeId}`)
  }

  /** Joins with the roster of `state` that has it in; resolves once a member is linked. */
  async join(state: string, rosterVersion: number): Promise<void> {
    const clock = systemClock()
    const random = systemRandom()
    const book = await RosterBook.open(this.#paths.rosters, this.#authority, clock)
    await book.offer(await readFile(join(state, 'rosters', `${rosterVersion}.roster`)))
    const key = await loadKey(this.#paths.key)
    this.#store = await openStateStore(this.#paths, key.peerId, {
      create: false,
      openedBy: 'gateway'
    })
    const parts = { key, book, store: this.#store, clock, random, log: silentLog() }
    const options = { listen: [LOOPBACK], announce: [], gossip: true, boot: random.id(8) }
    this.#member = new Member({ ...parts, onFailure: () => undefined }, options)
    await this.#member.start()
    await eventually('a member is linked', () => this.#member?.node.links().length === 1)
  }

  /** Asks the witnesses to write: resolves when a run is recorded, rejects when it is not. */
  async record(signal: AbortSignal, url?: string): Promise<void> {
    const key = await loadKey(this.#paths.key)
    const wallMs = systemClock().wallMs()
    const sealed = sealRun(key, { jobs: [{}], commit: 'c0ffee', gwSeq: 1, wallMs, url })
    await this.#member?.recordRun(sealed, { signal })
  }

  async leave(): Promise<void> {
    await this.#member?.stop()
    await this.#store?.close()
  }
}
