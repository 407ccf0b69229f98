import type { Advertisement } from '../core/advertisement.ts'
import { Board } from '../core/board.ts'
import type { EpochHealth } from '../core/epochs.ts'
import type { EquivocationSummary } from '../core/equivocation.ts'
import type { JobOpBody } from '../core/job.ts'
import { LEASE_PROFILES, type LeaseProfile } from '../core/lease-profile.ts'
import type { SealedRoster } from '../core/roster.ts'
import type { SealedAnnouncement } from '../core/run.ts'
import { TOPICS } from '../wire/ids.ts'
import type {
  HeldLease,
  JobChange,
  JobChangeOptions,
  JobRead,
  RenewOutcome
} from './board/job-access.ts'
import { type MemberEvent, MemberEvents } from './board/member-events.ts'
import type { RunEnding } from './board/run-ending.ts'
import type { RecordOptions } from './board/run-recorder.ts'
import { healthOf, type MeshHealth } from './health.ts'
import { createMeshNode, type MeshNode, type MeshNodeOptions } from './links/node.ts'
import { type MemberRooms, openRooms, type RoomsParts } from './member-rooms.ts'
import type { Door } from './members/door.ts'
import { epochHealthOf } from './members/epoch-health.ts'

/** All that its rooms need, but what the member makes for them. */
export interface MemberParts extends Omit<RoomsParts, 'board' | 'node' | 'emit' | 'profile'> {
  /** Where a stranger with an invite comes in; nowhere when absent. */
  readonly door?: Door | undefined
  /** The network; libp2p when absent. */
  readonly createNode?: typeof createMeshNode | undefined
}

export interface MemberOptions extends MeshNodeOptions {
  /** Nonce of this process, 16 hex digits, fresh at every start. */
  readonly boot: string
}

/**
 * One member of the mesh: its connections, its witness, its client of all registers and its board.
 * What agent and gateway both stand on. The store stays its owner's to close, after `stop`.
 */
export class Member {
  readonly peerId: string
  readonly boot: string
  readonly board = new Board()
  readonly node: MeshNode
  readonly #parts: MemberParts
  readonly #rooms: MemberRooms
  readonly #events: MemberEvents
  #unsubscribe: readonly (() => void)[] = []

  constructor(parts: MemberParts, options: MemberOptions) {
    const { key, book, clock, random, log, door, createNode = createMeshNode } = parts
    this.#parts = parts
    this.peerId = key.peerId
    this.boot = options.boot
    this.#events = new MemberEvents(log)
    this.node = createNode({ key, rosters: book, clock, random, log, door }, options)
    const { board, node } = this
    const emit = (event: MemberEvent) => this.#events.emit(event)
    const profile = () => this.profile()
    this.#rooms = openRooms({ ...parts, board, node, emit, profile }, { boot: options.boot })
    this.#events.on(({ kind }) => {
      if (kind !== 'agent') this.#rooms.consequences.consider()
    })
  }

  /** Rejects with STORE_FAILED, or as the node does. */
  async start(): Promise<void> {
    const { book } = this.#parts
    const { witness, inquiry, exchange, antiEntropy, reannouncer, mover } = this.#rooms
    await this.#rooms.equivocations.start()
    // Before the node: a request that comes with the first connection must find a witness.
    await witness.start()
    inquiry.start()
    await this.node.start()
    exchange.start()
    this.#unsubscribe = [
      book.onChange((roster) => this.#onRoster(roster)),
      this.node.onLink(({ kind, peerId }) => {
        this.board.foldLink(peerId, kind)
        this.#events.emit({ kind: 'agent', peerId })
      })
    ]
    antiEntropy.start()
    reannouncer.start()
    mover.start()
  }

  /** Ends all that runs, in the order in which it needs each other; leaves no timer behind. */
  async stop(): Promise<void> {
    const { witness, exchange, antiEntropy, reannouncer, feed, client } = this.#rooms
    const { recorder, lookups, background, inquiry, mover, consequences } = this.#rooms
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    mover.stop()
    consequences.stop()
    const asked = inquiry.stop()
    const fed = Promise.all([reannouncer.stop(), antiEntropy.stop(), feed.stop(), lookups.stop()])
    recorder.stop()
    await client.stop()
    await fed
    await asked
    await background.stop()
    await this.#rooms.equivocations.stop()
    await exchange.stop()
    await witness.stop()
    await this.node.stop()
  }

  /** Whether runs are closed for good. */
  get ending(): RunEnding {
    return this.#rooms.ending
  }

  roster(): SealedRoster | undefined {
    return this.#parts.book.current()
  }

  /** The timers of the current roster; those of a held lease are its own roster's. */
  profile(): LeaseProfile {
    return LEASE_PROFILES[this.roster()?.roster.lease ?? 'default']
  }

  health(): MeshHealth {
    return healthOf({ roster: this.roster(), peerId: this.peerId, linked: this.#rooms.linked() })
  }

  /** How many connected peers listen to each topic; none where gossip is off. */
  gossipPeers(): ReadonlyMap<string, number> {
    return new Map(
      Object.entries(TOPICS).flatMap(([name, topic]): [string, number][] => {
        const peers = this.node.gossipPeers(topic)
        return peers === undefined ? [] : [[name, peers]]
      })
    )
  }

  /** Names of members whose key two processes use, as their requests to our witness show. */
  sharedKeys(): readonly string[] {
    const members = this.roster()?.roster.members ?? []
    const shared = members.filter(({ peerId }) => this.#rooms.sharedKeys.has(peerId))
    return shared.map(({ name }) => name)
  }

  /** Members that signed two things where the protocol allows one; oldest first. */
  equivocations(): readonly (EquivocationSummary & { readonly name: string })[] {
    const members = this.roster()?.roster.members ?? []
    const names = new Map(members.map(({ peerId, name }) => [peerId, name]))
    const found = this.#rooms.equivocations.list()
    return found.map((one) => ({ ...one, name: names.get(one.peer) ?? one.peer }))
  }

  /** Earlier witness epochs on which open jobs, or new runs, still depend. */
  epochs(): readonly EpochHealth[] {
    const { book, clock } = this.#parts
    const current = book.current()?.roster
    if (current === undefined) return []
    return epochHealthOf({
      current,
      at: (epoch) => book.at(epoch),
      wallMs: clock.wallMs(),
      openJobs: this.board.openJobs(),
      witnessesOf: ({ jobId, witnessEpoch }) => {
        return this.#rooms.sets.of(jobId, witnessEpoch)?.witnesses
      },
      peerId: this.peerId,
      linked: this.#rooms.linked()
    })
  }

  /** The returned function ends the listening. */
  on(listener: (event: MemberEvent) => void): () => void {
    return this.#events.on(listener)
  }

  /**
   * Records the run on a quorum of its witnesses, trying until it is chosen, and gives the
   * announcement that was: another gateway may have come first, in an earlier witness epoch too.
   * Rejects with RUN_SUPERSEDED where it can begin under a later one only; with RUN_GONE where it
   * ended and was dropped; with ROSTER_ABSENT, ANNOUNCEMENT_INVALID, MESSAGE_TOO_LARGE, the
   * signal's reason or STOPPING.
   */
  async recordRun(
    sealed: SealedAnnouncement,
    options?: RecordOptions
  ): Promise<SealedAnnouncement> {
    return await this.#rooms.recorder.record(sealed, options)
  }

  /** Tells all members: the whole announcement, or a hint where it is too large for gossip. */
  async publish(sealed: SealedAnnouncement): Promise<void> {
    await this.#rooms.jobsGossip.announce(sealed)
  }

  /**
   * Makes the op happen, or tells definitely why not; hand it in again with the same `opId` after
   * `unresolved`. Creates the job's register first where it is not. Rejects with RUN_UNKNOWN,
   * JOB_UNKNOWN, OVERLOADED, the signal's reason or STOPPING.
   */
  async changeJob(
    jobId: string,
    opId: string,
    body: JobOpBody,
    options?: JobChangeOptions
  ): Promise<JobChange> {
    return await this.#rooms.jobs.change(jobId, opId, body, options)
  }

  /** What is chosen now, not what the board says. Rejects as changeJob does. */
  async readJob(jobId: string, signal?: AbortSignal): Promise<JobRead> {
    return await this.#rooms.jobs.read(jobId, signal)
  }

  /** The timers that a claim of this job gets: those of its witnesses' roster. */
  leaseProfile(jobId: string): LeaseProfile {
    return this.#rooms.jobs.leaseProfile(jobId) ?? this.profile()
  }

  /** The witness epoch under which the job is now; undefined for one that is not known here. */
  witnessEpochOf(jobId: string): number | undefined {
    return this.#rooms.jobs.witnessEpochOf(jobId)
  }

  /** In the order of `items`; one message a witness for RENEW_ITEMS_MAX of them. */
  async renew(items: readonly HeldLease[], signal?: AbortSignal): Promise<readonly RenewOutcome[]> {
    return await this.#rooms.jobs.renew(items, signal)
  }

  /** Tells all members that the job has changed, as far as our board knows. */
  async hint(jobId: string): Promise<void> {
    await this.#rooms.hint(jobId)
  }

  async advertise(advertisement: Advertisement): Promise<void> {
    await this.#rooms.agentsGossip.advertise(advertisement)
  }

  #onRoster(sealed: SealedRoster): void {
    const members = new Set(sealed.roster.members.map(({ peerId }) => peerId))
    for (const { advertisement } of this.board.agents(this.#parts.clock.bootMs())) {
      if (!members.has(advertisement.peerId)) this.board.forgetAgent(advertisement.peerId)
    }
    this.#events.emit({ kind: 'roster' })
  }
}
