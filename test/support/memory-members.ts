import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { LeaseProfileName, Role } from '../../protocol/core/roster.ts'
import { type JobSpec, jobIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { JobChange } from '../../protocol/mesh/job-access.ts'
import { Member } from '../../protocol/mesh/member.ts'
import { RosterBook } from '../../protocol/mesh/roster-book.ts'
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

interface Seat {
  readonly key: MeshKey
  readonly book: RosterBook
  store: CrashStore
  member: Member
  /** Why its store was given up. */
  readonly distrusted: string[]
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
    for (const [index, key] of keys.entries()) {
      const dir = await mkdtemp(join(tmpdir(), 'members-'))
      onTestFinished(() => rm(dir, { recursive: true, force: true }))
      const book = await RosterBook.open(dir, authority.peerId, members.clock)
      await book.offer(sealed.bytes)
      const storeId = entries[index]?.witness?.storeId ?? 'ee'.repeat(16)
      const store = new CrashStore(members.clock, storeId)
      const distrusted: string[] = []
      const member = members.#build(key, book, store, distrusted)
      members.#seats.push({ key, book, store, member, distrusted })
    }
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
  announce(
    fields: {
      readonly by?: number
      readonly jobs?: readonly Partial<JobSpec>[]
      readonly commit?: string
    } = {}
  ): SealedAnnouncement {
    const { by = 0, jobs = [{}], commit = 'c0ffee' } = fields
    this.#gwSeq += 1
    const wallMs = this.clock.wallMs()
    return sealRun(this.key(by), { jobs, commit, gwSeq: this.#gwSeq, wallMs })
  }

  async claim(index: number, sealed: SealedAnnouncement, claimId: string): Promise<JobChange> {
    const { boot, leaseMs } = { boot: this.member(index).boot, leaseMs: 3_000 }
    const jobId = jobIdOf(sealed.announcement.runId, 0)
    const body = { kind: 'claim', claimId, boot, leaseMs } as const
    return await this.member(index).changeJob(jobId, claimId, body)
  }

  async stop(): Promise<void> {
    for (const { member } of this.#seats) await this.settle(member.stop())
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
