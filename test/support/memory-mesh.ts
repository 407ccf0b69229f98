import { generateKeyPairFromSeed, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { ChangeResult } from '../../protocol/core/change.ts'
import type { MeshError } from '../../protocol/core/errors.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import type { Hint, RegisterReply, RegisterRequest } from '../../protocol/core/messages.ts'
import type { Signer } from '../../protocol/core/ports.ts'
import type { LeaseProfileName, Role, Roster, SealedRoster } from '../../protocol/core/roster.ts'
import {
  type Announcement,
  type JobSpec,
  jobIdOf,
  type SealedAnnouncement
} from '../../protocol/core/run.ts'
import { createLog } from '../../protocol/host/log.ts'
import { AnnouncementFetch } from '../../protocol/mesh/announcements/announcement-fetch.ts'
import { AnnouncementShelf } from '../../protocol/mesh/announcements/announcement-shelf.ts'
import { refOf } from '../../protocol/mesh/board/run-ledger.ts'
import { Background } from '../../protocol/mesh/bounds/background.ts'
import { Equivocations } from '../../protocol/mesh/members/equivocations.ts'
import type { RosterView } from '../../protocol/mesh/members/roster-book.ts'
import { WitnessSets } from '../../protocol/mesh/members/witness-sets.ts'
import { MeshTransport } from '../../protocol/mesh/registers/mesh-transport.ts'
import { RegisterClient } from '../../protocol/mesh/registers/register-client.ts'
import { SeenSequences } from '../../protocol/mesh/registers/seen-sequences.ts'
import { Floors } from '../../protocol/mesh/witness/floors.ts'
import { MoveProofs } from '../../protocol/mesh/witness/move-proofs.ts'
import { WitnessService } from '../../protocol/mesh/witness/witness-service.ts'
import { sealAnnouncement } from '../../protocol/wire/announcement.ts'
import { digest } from '../../protocol/wire/digest.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { keyFromBytes, type MeshKey } from '../../protocol/wire/keys.ts'
import { decodeRegisterRequest, encodeRegisterReply } from '../../protocol/wire/register-codec.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { signerOf } from '../../protocol/wire/signer.ts'
import { verifier } from '../../protocol/wire/verifier.ts'
import { announcementBy } from '../protocol/wire/samples.ts'
import { CrashStore } from './crash-store.ts'
import { FakeClock } from './fake-clock.ts'
import { MemoryNetwork, type MemoryNode } from './memory-transport.ts'
import { memberEntry, rosterOf } from './mesh-nodes.ts'
import { SeededRandom } from './seeded-random.ts'

/** One gateway and two agents, all of them witnesses. */
export const THREE: readonly (readonly Role[])[] = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness']
]

const keys = new Map<number, Promise<MeshKey>>()

/** The same key for the same number: which witness a run gets depends on the keys. */
export function keyOfSeed(seed: number): Promise<MeshKey> {
  const key = keys.get(seed) ?? makeKey(seed)
  keys.set(seed, key)
  return key
}

async function makeKey(seed: number): Promise<MeshKey> {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? seed : 7))
  return keyFromBytes(privateKeyToProtobuf(await generateKeyPairFromSeed('Ed25519', bytes)))
}

/** Rosters that do not change by themselves. */
export class FixedRosters implements RosterView {
  readonly #byEpoch = new Map<number, Roster>()
  #current: SealedRoster | undefined

  constructor(sealed: SealedRoster) {
    this.add(sealed)
  }

  add(sealed: SealedRoster): void {
    this.#current = sealed
    this.#byEpoch.set(sealed.roster.witnessEpoch, sealed.roster)
  }

  current(): SealedRoster | undefined {
    return this.#current
  }

  at(witnessEpoch: number): Roster | undefined {
    return this.#byEpoch.get(witnessEpoch)
  }

  onChange(): () => void {
    return () => undefined
  }
}

interface World {
  readonly clock: FakeClock
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly rosters: FixedRosters
}

/** A member without a board: its witness and its client, over the network in memory. */
export class MemoryPeer {
  readonly key: MeshKey
  readonly node: MemoryNode
  readonly signer: Signer
  /** As its disk would say. */
  isDiskLow = false
  readonly failures: MeshError[] = []
  readonly rollbacks: string[] = []
  readonly expired: Hint[] = []
  readonly logged: string[] = []
  /** What the witness waits for: nothing, unless a test says so. */
  readonly inquiry: { pending: Promise<unknown> | undefined } = { pending: undefined }
  readonly #world: World
  store: CrashStore
  service: WitnessService
  client: RegisterClient
  transport: MeshTransport
  sets: WitnessSets
  seen: SeenSequences
  equivocations: Equivocations
  shelf: AnnouncementShelf
  boot: string

  constructor(world: World, key: MeshKey, storeId: string) {
    this.#world = world
    this.key = key
    this.node = world.network.node(key.peerId)
    this.signer = signerOf(key)
    this.store = new CrashStore(world.clock, storeId)
    this.boot = world.random.id(8)
    const rooms = this.#open()
    this.service = rooms.service
    this.client = rooms.client
    this.transport = rooms.transport
    this.sets = rooms.sets
    this.seen = rooms.seen
    this.equivocations = rooms.equivocations
    this.shelf = rooms.shelf
  }

  get peerId(): string {
    return this.key.peerId
  }

  /** The process dies and comes back: what was not synced is lost, and so is all memory. */
  async restart(): Promise<void> {
    await this.service.stop()
    this.store = this.store.restart()
    this.boot = this.#world.random.id(8)
    Object.assign(this, this.#open())
    await this.service.start()
  }

  async stop(): Promise<void> {
    await this.service.stop()
    await this.client.stop()
  }

  /** Asks the witness of `peer` over the network. */
  ask(peer: MemoryPeer, request: RegisterRequest): Promise<RegisterReply> {
    return this.transport.request(peer.peerId, request, { timeoutMs: 400 })
  }

  record(sealed: SealedAnnouncement): Promise<ChangeResult> {
    const { runId } = sealed.announcement
    const body = { kind: 'create', annHash: sealed.annHash } as const
    const op = this.signer.runOp(runId, this.#world.random.id(16), body)
    return this.client.change(refOf(sealed, runId), op, { announcement: sealed.bytes })
  }

  change(
    sealed: SealedAnnouncement,
    body: JobOpBody,
    options: { readonly index?: number; readonly opId?: string } = {}
  ): Promise<ChangeResult> {
    const { index = 0, opId = this.#world.random.id(16) } = options
    const jobId = jobIdOf(sealed.announcement.runId, index)
    return this.client.change(refOf(sealed, jobId), this.signer.jobOp(jobId, opId, body))
  }

  create(sealed: SealedAnnouncement, index = 0): Promise<ChangeResult> {
    const body = { kind: 'create', annHash: sealed.annHash, attemptsMax: 3 } as const
    return this.change(sealed, body, { index })
  }

  claim(
    sealed: SealedAnnouncement,
    claimId = this.#world.random.id(16),
    index = 0
  ): Promise<ChangeResult> {
    const body = { kind: 'claim', claimId, boot: this.boot, leaseMs: 3_000 } as const
    return this.change(sealed, body, { index })
  }

  #open() {
    const { clock, random, rosters } = this.#world
    const write = (line: string) => this.logged.push(line)
    const log = createLog({ name: 'test', level: 'debug', stream: { write } })
    const sets = new WitnessSets({ rosters, digest: digest() })
    const local = (request: RegisterRequest) => service.handle(this.peerId, request)
    const seen = new SeenSequences()
    const transport = new MeshTransport({ node: this.node, clock, seen, local })
    const background = new Background(log, 16)
    const floors = new Floors({ store: this.store, rosters, background, log })
    const shelf = new AnnouncementShelf(this.store, {
      onPut: ({ announcement }) => floors.hear(announcement)
    })
    const equivocations = new Equivocations({ rosters, clock, log })
    const onFalse = (peer: string, bytes: number): void => service.chargeBytes(peer, bytes)
    const fetch = new AnnouncementFetch({ transport, shelf, onFalse })
    const told = { log, equivocations }
    const common = {
      clock,
      random,
      digest: digest(),
      ...told,
      sets,
      transport,
      shelf,
      fetch,
      floors
    }
    const client = new RegisterClient({ ...common, signer: this.signer }, { boot: this.boot })
    const { store, peerId, inquiry } = this
    const own = { store, peerId, seen, inquiry, client }
    const proofs = new MoveProofs({ client, clock, digest: digest() })
    const service: WitnessService = new WitnessService(
      { ...common, ...own, proofs, verifier: verifier(), rosters, isDiskLow: () => this.isDiskLow },
      {
        onFailure: (error) => this.failures.push(error),
        onRollback: (cause) => this.rollbacks.push(cause),
        onExpired: (hint) => this.expired.push(hint)
      }
    )
    this.node.handle(PROTOCOLS.register, async (remote, body) => {
      const request = decodeRegisterRequest(body, remote)
      return encodeRegisterReply(await service.handle(remote, request, body.byteLength))
    })
    return { service, client, transport, sets, seen, equivocations, shelf }
  }
}

export interface MemoryMeshOptions {
  readonly roles?: readonly (readonly Role[])[]
  readonly seed?: number
  readonly lease?: LeaseProfileName
}

/** Members of one mesh in one process, on simulated time. */
export class MemoryMesh {
  readonly clock: FakeClock
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly rosters: FixedRosters
  readonly peers: readonly MemoryPeer[]
  #gwSeq = 0

  private constructor(world: World, keys: readonly MeshKey[], roster: Roster) {
    this.clock = world.clock
    this.random = world.random
    this.network = world.network
    this.rosters = world.rosters
    this.peers = keys.map((key) => {
      const seat = roster.members.find(({ peerId }) => peerId === key.peerId)?.witness
      return new MemoryPeer(world, key, seat?.storeId ?? 'ee'.repeat(16))
    })
  }

  static async open(options: MemoryMeshOptions = {}): Promise<MemoryMesh> {
    const { roles = THREE, seed = 1, lease = 'short' } = options
    const keys = await Promise.all(roles.map((_, index) => keyOfSeed(index + 1)))
    const authority = await keyOfSeed(0)
    const clock = new FakeClock()
    const members = keys.map((key, index) => {
      const notAfterMs = clock.wallMs() + YEAR_MS
      return memberEntry(key.peerId, { roles: roles[index] ?? [], notAfterMs })
    })
    const roster = rosterOf(authority, members, { lease })
    const random = new SeededRandom(seed)
    const network = new MemoryNetwork(clock, random)
    const rosters = new FixedRosters(sealRoster(authority, roster))
    const mesh = new MemoryMesh({ clock, random, network, rosters }, keys, roster)
    for (const peer of mesh.peers) {
      await peer.node.start()
      await clock.settle(peer.service.start(), 1_000)
    }
    return mesh
  }

  peer(index: number): MemoryPeer {
    const peer = this.peers[index]
    if (peer === undefined) throw new Error(`no peer ${index}`)
    return peer
  }

  /** Moves time until the promise settles. */
  settle<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    return this.clock.settle(promise, limitMs)
  }

  /** An announcement by the first peer unless said otherwise; `commit` makes it another run. */
  announce(fields: AnnounceFields = {}): SealedAnnouncement {
    const { by = this.peer(0), jobs = [{}], commit = 'c0ffee', floor } = fields
    this.#gwSeq += 1
    const wallMs = this.clock.wallMs()
    return sealRun(by.key, { jobs, commit, gwSeq: this.#gwSeq, wallMs, floor })
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) await this.settle(peer.stop())
  }
}

export interface AnnounceFields {
  readonly by?: MemoryPeer
  readonly jobs?: readonly Partial<JobSpec>[]
  readonly commit?: string
  readonly floor?: number
}

export interface SealFields {
  readonly jobs: readonly Partial<JobSpec>[]
  readonly commit: string
  readonly gwSeq: number
  readonly wallMs: number
  readonly floor?: number | undefined
  /** Where its source is; nowhere, where absent. */
  readonly url?: string | undefined
}

/** A run of these jobs, announced by `key` now. */
export function sealRun(key: MeshKey, fields: SealFields): SealedAnnouncement {
  return sealAnnouncement(key, announcedRun(key, fields))
}

export function announcedRun(key: MeshKey, fields: SealFields): Announcement {
  const sample = announcementBy(key)
  const [spec] = sample.manifest.jobs
  if (spec === undefined) throw new Error('the sample has no job')
  const jobs = fields.jobs.map((job, index) => ({ ...spec, name: `job-${index}`, ...job, index }))
  const origin = { ...sample.manifest.origin, commit: fields.commit.padEnd(40, '0') }
  return {
    ...sample,
    runId: runIdOfOrigin(origin),
    gwSeq: fields.gwSeq,
    floor: fields.floor ?? 0,
    issuedAtMs: fields.wallMs,
    notAfterMs: fields.wallMs + DAY_MS,
    manifest: { ...sample.manifest, url: fields.url ?? sample.manifest.url, origin, jobs }
  }
}

const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS
