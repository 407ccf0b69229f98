import type { Advertisement, Capacity } from '../../protocol/core/advertisement.ts'
import { Board } from '../../protocol/core/board.ts'
import type { Hint } from '../../protocol/core/messages.ts'
import type { Roster } from '../../protocol/core/roster.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { plainSigner } from '../support/plain-signer.ts'
import type { Timeline } from '../support/timeline.ts'
import { SimAgent } from './agent.ts'
import { SimClient } from './client.ts'
import { SimConsequences } from './consequences.ts'
import { ContainerHost } from './container-host.ts'
import { Disk } from './disk.ts'
import { SimFeed } from './feed.ts'
import { SimFloors } from './floors.ts'
import { SimGateway } from './gateway.ts'
import { refOf, SimJobDoor } from './job-door.ts'
import { SimMoveProofs } from './move-proofs.ts'
import { SimMover } from './mover.ts'
import type { Network } from './network.ts'
import type { NodeParts } from './node-parts.ts'
import { SimProcess } from './process.ts'
import { SimRosters } from './rosters.ts'
import type { Scene } from './scene.ts'
import { Shelf } from './shelf.ts'
import type { PeerSight } from './sight.ts'
import { SimWitness } from './witness.ts'
import type { RecordRow } from './witness-registers.ts'

export interface NodeOptions {
  readonly first: Roster
  readonly sightOf: (me: string) => PeerSight
  readonly peerId: string
  readonly storeId: string
  readonly roles: ReadonlySet<'agent' | 'gateway' | 'witness'>
  readonly slots: number
  readonly driftRate: number
}

/** One member: a host with its disk and engine, and the process that has all its roles. */
export class SimNode {
  readonly peerId: string
  readonly process: SimProcess
  readonly host: ContainerHost
  readonly witness: SimWitness
  readonly agent: SimAgent | undefined
  readonly gateway: SimGateway | undefined
  readonly parts: NodeParts
  readonly client: SimClient
  readonly rosters: SimRosters
  /** True when this witness takes no first value of that announcement any more: it is closed. */
  readonly isClosed: (annHash: string) => boolean
  disk: Disk
  board = new Board()
  readonly #timeline: Timeline
  /** Stays down: it is not started again by whoever looks after hosts. */
  isGone = false
  /** As long as it is away: nobody gets to its host. */
  isAway = false

  constructor(scene: Scene, network: Network, options: NodeOptions) {
    const { peerId, storeId, roles } = options
    this.peerId = peerId
    const process = new SimProcess(peerId, scene.timeline, options.driftRate)
    this.process = process
    this.#timeline = scene.timeline
    this.host = new ContainerHost(peerId, scene, process.clock)
    this.disk = this.#newDisk(scene, storeId)
    process.onCrash(() => {
      this.disk.crash()
      this.board = new Board()
    })
    const disk = (): Disk => this.disk
    const signer = plainSigner(peerId, scene.digest)
    const rosters = new SimRosters(options.first)
    this.rosters = rosters
    const client = new SimClient({ scene, process, network, signer, rosters })
    this.client = client
    const shelf = new Shelf({ scene, process, disk, network })
    const board = (): Board => this.board
    const common = { scene, process, network, client, shelf, signer, disk, rosters, board }
    const jobs = new SimJobDoor(common, () => this.agent?.consider())
    this.parts = { ...common, jobs }
    const feed = new SimFeed(this.parts, () => this.agent?.consider())
    const seenOf = (peer: string, store: string): number => client.seen.of(peer, store)
    const onDistrust = (): void => {
      scene.emit({ kind: 'fault', what: 'store set back', whom: peerId })
      process.crash()
    }
    const onExpired = (hint: Hint, repeat: number): void => {
      const sealed = this.board.run(runIdOf(hint.register))?.sealed
      if (sealed === undefined) return
      const { annHash } = sealed
      network.gossip(process, { kind: 'hint', ...hint, annHash })
      // Its own timer may have kept the end out: whoever pushed it has given up.
      if (repeat === 0) return
      const { register, witnessEpoch } = hint
      client.read({ ...refOf(sealed, register), witnessEpoch }, 'never', () => undefined)
    }
    const proofs = new SimMoveProofs({ scene, process, client })
    const floors = new SimFloors({ scene, process, disk })
    shelf.onPut = (announcement) => floors.hear(announcement)
    this.isClosed = (annHash) => {
      const announcement = shelf.find(annHash)?.announcement
      return announcement !== undefined && floors.of(announcement.gateway) >= announcement.gwSeq
    }
    const parts = { ...common, proofs, floors, seenOf }
    const witness = new SimWitness({ ...parts, onDistrust, onExpired })
    this.witness = witness
    const mover = new SimMover({ ...this.parts, sight: options.sightOf(peerId) })
    rosters.onNews(() => {
      // A member that hears of a change tells all others at once.
      network.gossip(process, { kind: 'rosters', rosters: rosters.all() })
      process.run(process.boot, () => mover.look())
    })
    if (roles.has('agent') || roles.has('gateway')) new SimConsequences(this.parts).start()
    if (roles.has('agent')) {
      this.agent = new SimAgent({ ...this.parts, host: this.host }, offerOf(options.slots))
    }
    if (roles.has('gateway')) this.gateway = new SimGateway(this.parts, feed)
    network.join({
      process,
      receive: (...request) => witness.receive(...request),
      hear: (remote, gossip) => {
        if (gossip.kind === 'hint') feed.want({ ...gossip, peers: [remote] })
        else if (gossip.kind === 'rosters') rosters.learn(gossip.rosters)
        else this.board.foldAdvertisement(gossip.body as Advertisement, process.nowMs)
      }
    })
  }

  /** Refuses a store that is not what it was. */
  start(): void {
    const { frozenUntilMs } = this.host
    if (frozenUntilMs > this.#timeline.nowMs) {
      this.#timeline.at(frozenUntilMs, () => this.start())
      return
    }
    if (this.isGone || this.isAway || this.process.isAlive) return
    this.disk.open()
    if (!this.disk.isRuined) this.process.start()
  }

  /** An empty store in the place of the old one: data that is gone, and a new id with it. */
  replaceDisk(scene: Scene): void {
    this.disk = this.#newDisk(scene, `${this.disk.storeId}'`)
  }

  #newDisk(scene: Scene, storeId: string): Disk {
    const disk = new Disk(storeId, scene.timeline, (key, value) => {
      if (key.startsWith('t/')) {
        const kind = value === undefined ? 'forgets' : 'drops'
        scene.emit({ kind, store: storeId, place: key.slice(2) })
        if (value === undefined) scene.count('witness: tombstone over')
        return
      }
      if (!key.startsWith('r/') || value === undefined) return
      const { record } = value as RecordRow
      const place = key.slice(2)
      const { promised, accepted } = record
      const written = accepted && {
        ballot: accepted.ballot,
        value: accepted.value,
        hash: scene.digest.hash(accepted.value)
      }
      scene.emit({ kind: 'syncs', store: storeId, place, promised, accepted: written })
    })
    disk.onTorn = (isWhole) => {
      scene.count(isWhole ? 'disk: batch whole in a crash' : 'disk: tail torn in a crash')
    }
    disk.onFailure = () => {
      scene.emit({ kind: 'fault', what: 'store failed', whom: this.peerId })
      this.process.crash()
    }
    return disk
  }
}

const GIB = 1_073_741_824

function offerOf(slots: number) {
  const capacity: Capacity = {
    cpuMilli: slots * 1_000,
    memoryBytes: slots * GIB,
    diskBytes: slots * GIB,
    jobs: slots
  }
  return {
    platforms: [{ name: 'linux/amd64', native: true }],
    labels: {},
    isolation: { offered: 'runc' as const, required: undefined },
    policy: undefined,
    networks: [],
    capacity
  }
}
