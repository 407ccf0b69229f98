import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../protocol/core/ports.ts'
import type {
  LeaseProfileName,
  Member,
  Role,
  Roster,
  SealedRoster
} from '../../protocol/core/roster.ts'
import { witnessCount } from '../../protocol/core/witnesses.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { type Log, silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { RosterExchange } from '../../protocol/mesh/joining/roster-exchange.ts'
import { createMeshNode, type MeshNode } from '../../protocol/mesh/links/node.ts'
import type { Door } from '../../protocol/mesh/members/door.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from './eventually.ts'

export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
// One for all: each holds a file open until the process ends.
const CLOCK = systemClock()
const YEAR_MS = 31_536_000_000

export interface MemberFields {
  readonly name?: string
  readonly roles?: readonly Role[]
  readonly addresses?: readonly string[]
  /** 32 hex digits; a witness without one gets one made of its peer id. */
  readonly storeId?: string
  readonly zone?: string
  readonly notAfterMs?: number
}

/** A roster's entry for `peerId`; an agent and witness unless said otherwise. */
export function memberEntry(peerId: string, fields: MemberFields = {}): Member {
  const roles = fields.roles ?? ['agent', 'witness']
  const storeId = fields.storeId ?? Buffer.from(peerId.slice(-16)).toString('hex')
  const zone = fields.zone ?? peerId.slice(-8)
  return {
    peerId,
    name: fields.name ?? `host-${peerId.slice(-6)}`,
    roles,
    addresses: fields.addresses ?? [],
    witness: roles.includes('witness') ? { storeId, zone } : undefined,
    notAfterMs: fields.notAfterMs ?? Date.now() + YEAR_MS
  }
}

/**
 * A roster of these members, w as it must be for its witnesses; version 1 unless said otherwise.
 */
export function rosterOf(
  authority: MeshKey,
  members: readonly Member[],
  fields: Partial<Roster> & { readonly lease?: LeaseProfileName } = {}
): Roster {
  return {
    version: 1,
    prevHash: '',
    witnessEpoch: 1,
    w: witnessCount(members.filter(({ roles }) => roles.includes('witness')).length),
    lease: 'short',
    authority: authority.peerId,
    members,
    revoked: [],
    ...fields
  }
}

/**
 * What may follow `current` with other members or revoked peers; the witness epoch rises as it
 * must.
 */
export function nextRoster(
  authority: MeshKey,
  current: SealedRoster,
  members: readonly Member[],
  revoked: readonly string[] = current.roster.revoked
): SealedRoster {
  const { version, witnessEpoch, lease } = current.roster
  const witnesses = (list: readonly Member[]): string =>
    JSON.stringify(list.flatMap(({ peerId, witness }) => (witness ? [peerId, witness] : [])))
  const changed = witnesses(members) !== witnesses(current.roster.members)
  return sealRoster(
    authority,
    rosterOf(authority, members, {
      version: version + 1,
      prevHash: current.hash,
      witnessEpoch: witnessEpoch + (changed ? 1 : 0),
      lease,
      revoked
    })
  )
}

export interface MeshHost {
  readonly key: MeshKey
  readonly dir: string
  readonly book: RosterBook
  readonly node: MeshNode
  readonly exchange: RosterExchange
}

export interface HostOptions {
  readonly key?: MeshKey
  readonly listen?: readonly string[]
  readonly gossip?: boolean
  readonly clock?: Clock
  readonly log?: Log
  /** Where strangers with an invite come in. */
  readonly door?: Door
  /** Known before it starts. */
  readonly roster?: SealedRoster
  /** Registers handlers and subscriptions: called before the node starts. */
  readonly prepare?: (node: MeshNode, key: MeshKey) => void
}

/** A mesh in one process, over real libp2p on loopback. */
export class TestMesh {
  readonly authority = generateKey()
  readonly #hosts: MeshHost[] = []
  readonly #ends: (() => Promise<void>)[] = []

  /** `count` started hosts that all have a roster of all of them. */
  static async start(count: number, options: HostOptions = {}): Promise<TestMesh> {
    const mesh = new TestMesh()
    await Promise.all(Array.from({ length: count }, () => mesh.addHost(options)))
    await mesh.admitAll()
    return mesh
  }

  get hosts(): readonly MeshHost[] {
    return this.#hosts
  }

  host(index: number): MeshHost {
    const host = this.#hosts[index]
    if (host === undefined) throw new Error(`no host ${index}`)
    return host
  }

  /** Starts one more host; without a roster unless one is given. */
  async addHost(options: HostOptions = {}): Promise<MeshHost> {
    const host = await this.startHost(options)
    this.#hosts.push(host)
    return host
  }

  /** Like addHost, for a host that the mesh does not count as one of its own; stopped with it. */
  async startHost(options: HostOptions = {}): Promise<MeshHost> {
    const { roster } = options
    const key = options.key ?? generateKey()
    const [random, log] = [systemRandom(), options.log ?? silentLog()]
    const clock = options.clock ?? CLOCK
    const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-rosters-'))
    const book = await RosterBook.open(dir, this.authority.peerId, clock)
    if (roster !== undefined) await book.offer(roster.bytes)
    const gossip = options.gossip ?? true
    const listen = options.listen ?? [LOOPBACK]
    const node = createMeshNode(
      { key, rosters: book, clock, random, log, door: options.door },
      { listen, announce: [], gossip }
    )
    const exchange = new RosterExchange({ node, book, clock, log })
    options.prepare?.(node, key)
    exchange.start()
    await node.start()
    this.#ends.push(async () => {
      await exchange.stop()
      await node.stop()
      await rm(dir, { recursive: true, force: true })
    })
    return { key, dir, book, node, exchange }
  }

  entries(): readonly Member[] {
    return this.#hosts.map(({ key, node }) => {
      return memberEntry(key.peerId, { addresses: node.addresses() })
    })
  }

  /** Seals a roster of all hosts and hands it to each of them, as an admission would have. */
  async admitAll(): Promise<SealedRoster> {
    const sealed = sealRoster(this.authority, rosterOf(this.authority, this.entries()))
    await Promise.all(this.#hosts.map(({ book }) => book.offer(sealed.bytes)))
    return sealed
  }

  /** Resolves once every host has a link to every other. */
  async linked(limitMs = 15_000): Promise<void> {
    const wanted = this.#hosts.length - 1
    await eventually(
      `${wanted} links at each host`,
      () => this.#hosts.every(({ node }) => node.links().length === wanted),
      limitMs
    )
  }

  async stop(): Promise<void> {
    await Promise.all(this.#ends.splice(0).map((end) => end()))
  }
}
