import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { LeaseProfileName, Role, Roster, SealedRoster } from '../../protocol/core/roster.ts'
import { type JobSpec, jobIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { JobChange } from '../../protocol/mesh/board/job-access.ts'
import { Member } from '../../protocol/mesh/member.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { sealAnnouncement } from '../../protocol/wire/announcement.ts'
import type { MeshKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { CrashStore } from './crash-store.ts'
import { FakeClock } from './fake-clock.ts'
import { keyOfSeed, sealRun, THREE } from './memory-mesh.ts'
import { MemoryNetwork } from './memory-transport.ts'
import { memberEntry, rosterOf } from './mesh-nodes.ts'
import { SeededRandom } from './seeded-random.ts'

export interface MembersOptions {
  readonly roles?: readonly (readonly Role[])[]
  readonly gossip?: boolean
  readonly lease?: LeaseProfileName
}

export interface AnnounceFields {
  readonly by?: number
  readonly jobs?: readonly Partial<JobSpec>[]
  readonly commit?: string
  /** The first one where absent. */
  readonly witnessEpoch?: number
}

interface Seat {
  readonly key: MeshKey
  readonly book: RosterBook
  store: CrashStore
  member: Member
  /** Why its store was given up. */
  readonly distrusted: string[]
  isGone: boolean
}

const YEAR_MS = 31_536_000_000

/** Whole members on simulated time: everything but libp2p and the disk is real. */
export class MemoryMembers {
  readonly clock = new FakeClock()
  readonly random = new SeededRandom(1)
  readonly network = new MemoryNetwork(this.clock, this.random)
  readonly #options: MembersOptions
  readonly #seats: Seat[] = []
  #gwSeq = 0

  private constructor(options: MembersOptions) {
    this.#options = options
  }

  /** Started members with one roster, linked to each other; stopped when the test ends. */
  static async open(options: MembersOptions = {}): Promise<MemoryMembers> {
    const members = new MemoryMembers(options)
    const { roles = THREE, lease = 'short' } = options
    const keys = await Promise.all(roles.map((_, index) => keyOfSeed(index + 1)))
    const authority = await keyOfSeed(0)
    const entries = keys.map((key, index) => {
      const notAfterMs = members.clock.wallMs() + YEAR_MS
      return memberEntry(key.peerId, { roles: roles[index] ?? [], notAfterMs })
    })
    const sealed = sealRoster(authority, rosterOf(authority, entries, { lease }))
    for (const key of keys) await members.#sit(key, sealed)
    for (const { member } of members.#seats) await members.settle(member.start())
    onTestFinished(() => members.stop())
    return members
  }

  get all(): readonly Member[] {
    return this.#seats.map(({ member }) => member)
  }

  member(index: number): Member {
    return this.#seat(index).member
  }

  store(index: number): CrashStore {
    return this.#seat(index).store
  }

  key(index: number): MeshKey {
    return this.#seat(index).key
  }

  /** Why the member's store was given up, once for each time. */
  distrusted(index: number): readonly string[] {
    return this.#seat(index).distrusted
  }

  /** Stops the member and starts another process over its store, or over an old copy of it. */
  async restart(index: number, copy?: CrashStore): Promise<Member> {
    const seat = this.#seat(index)
    await this.settle(seat.member.stop())
    const store = seat.store.restart()
    seat.store = copy ?? store
    seat.member = this.#build(seat.key, seat.book, seat.store, seat.distrusted)
    await this.settle(seat.member.start())
    return seat.member
  }

  settle<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    return this.clock.settle(promise, limitMs)
  }

  /** An announcement by the first member unless said otherwise. */
  announce(fields: AnnounceFields = {}): SealedAnnouncement {
    const { by = 0, jobs = [{}], commit = 'c0ffee', witnessEpoch = 1 } = fields
    this.#gwSeq += 1
    const wallMs = this.clock.wallMs()
    const sealed = sealRun(this.key(by), { jobs, commit, gwSeq: this.#gwSeq, wallMs })
    return sealAnnouncement(this.key(by), { ...sealed.announcement, witnessEpoch })
  }

  /**
   * All get the roster after the current one, with these roles; who has none in the list only looks
   * on.
   */
  async changeRoster(
    roles: readonly (readonly Role[])[],
    fields: Partial<Roster> = {}
  ): Promise<void> {
    const authority = await keyOfSeed(0)
    const before = this.#seat(0).book.current()
    if (before === undefined) throw new Error('there is none yet')
    const entries = this.#seats.map(({ key }, index) => {
      const notAfterMs = this.clock.wallMs() + YEAR_MS
      return memberEntry(key.peerId, { roles: roles[index] ?? ['operator'], notAfterMs })
    })
    const { version, witnessEpoch, runsFromEpoch, lostEpochs } = before.roster
    const roster = rosterOf(authority, entries, {
      lease: before.roster.lease,
      ...(runsFromEpoch === undefined ? {} : { runsFromEpoch }),
      ...(lostEpochs === undefined ? {} : { lostEpochs }),
      version: version + 1,
      prevHash: before.hash,
      witnessEpoch: witnessEpoch + 1,
      epochSinceMs: this.clock.wallMs(),
      ...fields
    })
    const { bytes } = sealRoster(authority, roster)
    for (const { book } of this.#seats) await book.offer(bytes)
  }

  /** The process is gone, and its host with it. */
  async kill(index: number): Promise<void> {
    const seat = this.#seat(index)
    await this.settle(seat.member.stop())
    seat.isGone = true
  }

  async claim(index: number, sealed: SealedAnnouncement, claimId: string): Promise<JobChange> {
    const { boot, leaseMs } = { boot: this.member(index).boot, leaseMs: 3_000 }
    const jobId = jobIdOf(sealed.announcement.runId, 0)
    const body = { kind: 'claim', claimId, boot, leaseMs } as const
    return await this.member(index).changeJob(jobId, claimId, body)
  }

  async stop(): Promise<void> {
    for (const { member, isGone } of this.#seats) {
      if (!isGone) await this.settle(member.stop())
    }
  }

  /** A member that came with the next roster, and has that one alone; its number. */
  async join(roles: readonly Role[]): Promise<number> {
    const key = await keyOfSeed(this.#seats.length + 1)
    const before = this.#seat(0).book.current()
    if (before === undefined) throw new Error('there is none yet')
    const notAfterMs = this.clock.wallMs() + YEAR_MS
    const { roster, hash } = before
    const members = [...roster.members, memberEntry(key.peerId, { roles, notAfterMs })]
    const next = { ...roster, version: roster.version + 1, prevHash: hash, members }
    const sealed = sealRoster(await keyOfSeed(0), next)
    await this.#seat(0).book.offer(sealed.bytes)
    const { member } = await this.#sit(key, sealed)
    await this.settle(member.start())
    return this.#seats.length - 1
  }

  async #sit(key: MeshKey, sealed: SealedRoster): Promise<Seat> {
    const dir = await mkdtemp(join(tmpdir(), 'members-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const book = await RosterBook.open(dir, sealed.roster.authority, this.clock)
    await book.offer(sealed.bytes)
    // Also of one that is to be a witness later.
    const { storeId = '' } = memberEntry(key.peerId).witness ?? {}
    const store = new CrashStore(this.clock, storeId)
    const distrusted: string[] = []
    const member = this.#build(key, book, store, distrusted)
    const seat = { key, book, store, member, distrusted, isGone: false }
    this.#seats.push(seat)
    return seat
  }

  #seat(index: number): Seat {
    const seat = this.#seats[index]
    if (seat === undefined) throw new Error(`no member ${index}`)
    return seat
  }

  #build(key: MeshKey, book: RosterBook, store: CrashStore, distrusted: string[]): Member {
    const { clock, random, network } = this
    const gossip = this.#options.gossip ?? true
    return new Member(
      {
        key,
        book,
        store: {
          witness: store,
          distrust: async (cause) => {
            distrusted.push(cause)
          }
        },
        clock,
        random,
        log: silentLog(),
        createNode: () => network.node(key.peerId, { gossip }),
        onFailure: () => undefined
      },
      { listen: [], announce: [], gossip, boot: random.id(8) }
    )
  }
}

/** The outcome of a job that did what it should. */
export function succeeded(epoch: number) {
  return {
    epoch,
    state: 'succeeded',
    reason: 'completed',
    exitCode: 0,
    message: '',
    steps: [],
    durationMs: 1,
    logDigest: '',
    logLines: 0
  } as const
}
