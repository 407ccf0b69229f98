import { claimable, waitMs } from '../../agent/claim/candidates.ts'
import type { Advertisement } from '../../protocol/core/advertisement.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { gpusHeldOf, type Ledger, ledgerOf, release } from '../../protocol/core/capacity.ts'
import { keptRooms } from '../../protocol/core/kept-room.ts'
import {
  ADVERTISE_EVERY_MS_MIN,
  CLAIM_REST_MS,
  CLAIMS_PENDING_MAX
} from '../../protocol/core/limits.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import { ROOM_KEPT_AFTER_MS, ROOM_KEPT_LOOK_MS } from '../../protocol/core/placement-limits.ts'
import { hasRoom, platformFor, type Room } from '../../protocol/core/requirements.ts'
import { Shares } from '../../protocol/core/shares.ts'
import { warmedBy, warmKeysOf } from '../../protocol/core/warmth.ts'
import { SAMPLE_ORIGIN, SampleJob } from '../support/arbitrary-board.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Events } from './events.ts'
import { EMULATED_TIMES, type Work } from './jobs.ts'
import type { Packing, Placed } from './placed.ts'
import { quickDigest } from './quick-digest.ts'
import { roomIn, taken } from './room.ts'

/** Milliseconds until others have what one member says. */
const GOSSIP_MS: readonly [number, number] = [20, 150]
/** Of a claim: a read of a quorum and two rounds. */
const CLAIM_MS: readonly [number, number] = [20, 60]
const CLAIM_DELAY_MS = 150

interface Agent {
  readonly index: number
  readonly advertisement: Advertisement
  ledger: Ledger
  /** Of the ledger that it was made for: it is asked for more often than that changes. */
  room: { readonly of: Ledger; readonly is: Room } | undefined
  warm: readonly string[]
  /** Jobs whose turn has not come yet, and claims that are under way. */
  readonly pending: Set<string>
  said: 'nothing' | 'soon'
  saidAtMs: number
  looksAtMs: number
}

export interface MeshOptions {
  readonly seed: number
  /** False plays a mesh in which nobody keeps room. */
  readonly keepsRoom?: boolean
  /** Ends early: what is asked for has been seen. */
  readonly isOver?: (mesh: SimulatedMesh) => boolean
}

/**
 * A mesh without a network: every agent decides by the code of real ones, on a board and on
 * advertisements that are as late as theirs. What is simulated is what lies between: how long
 * gossip takes, who comes first to a register, how long a job runs.
 */
export class SimulatedMesh {
  readonly events = new Events()
  readonly placed = new Map<string, Placed>()
  readonly #agents: readonly Agent[]
  readonly #works = new Map<string, Work>()
  readonly #jobs = new Map<string, BoardJob>()
  /** The truth: who has which job. */
  readonly #registers = new Map<string, SampleJob>()
  readonly #shares = new Shares()
  readonly #digest = quickDigest()
  readonly #random: SeededRandom
  readonly #options: MeshOptions
  #views: readonly AgentView[]
  #kept: { readonly untilMs: number; readonly by: ReadonlyMap<string, string> } | undefined
  /** Jobs that have not ended, the oldest first; as a list it is made anew when it has changed. */
  readonly #unended = new Map<string, BoardJob>()
  #used: { readonly untilMs: number; readonly by: ReadonlyMap<string, number> } | undefined
  #open: readonly BoardJob[] | undefined
  /** Claims that found their job taken. */
  contended = 0
  claims = 0

  constructor(hosts: readonly Advertisement[], options: MeshOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#agents = hosts.map((advertisement, index) => ({
      index,
      advertisement,
      ledger: ledgerOf(advertisement.capacity),
      room: undefined,
      warm: [],
      pending: new Set(),
      said: 'nothing',
      saidAtMs: Number.NEGATIVE_INFINITY,
      looksAtMs: Number.POSITIVE_INFINITY
    }))
    this.#views = hosts.map((advertisement) => {
      return { advertisement, heardAtMs: 0, link: 'up', observed: 'idle' } as const
    })
  }

  play(works: readonly Work[]): Packing {
    for (const [index, work] of works.entries()) {
      this.events.after(work.announcedAtMs, () => this.#announce(`R${index}.0`, work))
    }
    const isDone = (): boolean => this.placed.size === works.length
    this.events.run(() => this.#options.isOver?.(this) === true || isDone())
    const placed = [...this.placed.values()]
    return { placed, endMs: Math.max(...placed.map(({ endMs }) => endMs)) }
  }

  get waiting(): readonly BoardJob[] {
    return this.#openJobs().filter(isWaiting)
  }

  #openJobs(): readonly BoardJob[] {
    this.#open ??= [...this.#unended.values()]
    return this.#open
  }

  #put(job: BoardJob): void {
    const phase = job.state?.phase ?? 'queued'
    this.#jobs.set(job.jobId, job)
    if (phase === 'queued' || phase === 'leased') this.#unended.set(job.jobId, job)
    else this.#unended.delete(job.jobId)
    this.#open = undefined
  }

  #announce(jobId: string, work: Work): void {
    this.#works.set(jobId, work)
    const job: BoardJob = {
      jobId,
      runId: jobId.slice(0, -2),
      spec: work.spec,
      issuedAtMs: this.events.nowMs,
      trust: 'trusted',
      origin: { ...SAMPLE_ORIGIN, repository: work.repository },
      state: undefined,
      witnessEpoch: 1,
      stage: undefined,
      changedAtMs: this.events.nowMs,
      holderSinceMs: undefined
    }
    this.#put(job)
    for (const agent of this.#agents) {
      this.events.after(this.#between(GOSSIP_MS), () => this.#consider(agent, [job]))
    }
  }

  /** What was there before and could not be claimed cannot be now: news are looked at alone. */
  #consider(agent: Agent, news?: readonly BoardJob[]): void {
    const { peerId } = agent.advertisement
    const room = this.#roomOf(agent)
    const { free, gpusHeld } = room
    if (news?.some((job) => hasRoom(job, room)) === false || free.jobs < 1) return
    const { nowMs } = this.events
    const keptId = this.#keptBy(peerId)
    const kept = keptId === undefined ? undefined : this.#jobs.get(keptId)
    const open = news === undefined ? this.#openJobs() : news.map(({ jobId }) => this.#job(jobId))
    const usedMs = (): ReadonlyMap<string, number> => this.#usedMs()
    const board = { job: (jobId: string) => this.#jobs.get(jobId), usedMs }
    const look = { board, open, agents: this.#views, nowMs, kept }
    const own = { peerId, offer: agent.advertisement, free, gpusHeld: gpusHeld ?? [] }
    const draw = (): number => this.#random.next()
    const { jobs, againAtMs } = claimable(look, own, (jobId) => agent.pending.has(jobId), draw)
    const keptAgainAtMs = kept === undefined ? Number.POSITIVE_INFINITY : nowMs + ROOM_KEPT_LOOK_MS
    this.#lookAgain(agent, Math.min(againAtMs ?? Number.POSITIVE_INFINITY, keptAgainAtMs))
    for (const job of jobs) {
      if (agent.pending.size >= CLAIMS_PENDING_MAX) return
      const parts = { digest: this.#digest, claimDelayMs: CLAIM_DELAY_MS, draw }
      agent.pending.add(job.jobId)
      const afterMs = waitMs(job, own, this.#views, parts)
      this.events.after(afterMs, () => this.#claim(agent, job.jobId))
    }
  }

  #roomOf(agent: Agent): Room {
    const { ledger, advertisement } = agent
    if (agent.room?.of !== ledger) {
      agent.room = { of: ledger, is: roomIn(ledger, advertisement) }
    }
    return agent.room.is
  }

  /** Likewise for all agents within a second: each real one counts for itself. */
  #usedMs(): ReadonlyMap<string, number> {
    const { nowMs } = this.events
    if (this.#used === undefined || nowMs >= this.#used.untilMs) {
      this.#used = { untilMs: nowMs + 1_000, by: this.#shares.usedMs(nowMs) }
    }
    return this.#used.by
  }

  #keptBy(peerId: string): string | undefined {
    const { nowMs } = this.events
    if (this.#options.keepsRoom === false || nowMs < ROOM_KEPT_AFTER_MS) return undefined
    if (this.#kept === undefined || nowMs >= this.#kept.untilMs) {
      const by = keptRooms(this.waiting, this.#views, nowMs, this.#digest)
      this.#kept = { untilMs: nowMs + 1_000, by }
    }
    const jobId = this.#kept.by.get(peerId)
    return jobId !== undefined && isWaiting(this.#job(jobId)) ? jobId : undefined
  }

  /** As the claimer's own alarm; a look that is due earlier does for it. */
  #lookAgain(agent: Agent, atMs: number): void {
    const { nowMs } = this.events
    const isPlanned = agent.looksAtMs > nowMs && agent.looksAtMs <= atMs
    if (atMs === Number.POSITIVE_INFINITY || isPlanned) return
    agent.looksAtMs = atMs
    this.events.after(Math.max(1, atMs - nowMs), () => this.#consider(agent))
  }

  #claim(agent: Agent, jobId: string): void {
    const { spec } = this.#job(jobId)
    const ledger = taken(agent.ledger, agent.advertisement, jobId, spec)
    if (!isWaiting(this.#job(jobId)) || ledger === undefined) {
      agent.pending.delete(jobId)
      return
    }
    agent.ledger = ledger
    this.claims += 1
    this.events.after(this.#between(CLAIM_MS), () => this.#settle(agent, jobId))
  }

  #settle(agent: Agent, jobId: string): void {
    if (this.#registers.has(jobId)) {
      this.contended += 1
      agent.ledger = release(agent.ledger, jobId)
      this.events.after(CLAIM_REST_MS, () => {
        agent.pending.delete(jobId)
        this.#consider(agent)
      })
      return
    }
    const register = new SampleJob(jobId)
    this.#registers.set(jobId, register)
    this.#show(jobId, register.claim(agent.advertisement.peerId))
    this.#begin(agent, jobId)
    agent.pending.delete(jobId)
    this.#say(agent)
    this.#consider(agent)
  }

  #begin(agent: Agent, jobId: string): void {
    const work = this.#works.get(jobId)
    if (work === undefined) throw new Error(`${jobId} was never announced`)
    const { platforms } = agent.advertisement
    const isNative = platformFor(work.spec, platforms)?.native === true
    const ranMs = work.nativeMs * (isNative ? 1 : EMULATED_TIMES)
    const startMs = this.events.nowMs
    const endMs = startMs + ranMs
    const keys = warmKeysOf(work.spec, work.repository, this.#digest)
    this.placed.set(jobId, { work, host: agent.index, startMs, endMs })
    agent.warm = warmedBy(agent.warm, keys)
    this.events.after(ranMs, () => {
      agent.ledger = release(agent.ledger, jobId)
      const ended = this.#registers.get(jobId)?.complete('succeeded')
      if (ended !== undefined) this.#show(jobId, ended)
      this.#shares.ended(work.repository, startMs, endMs)
      this.#say(agent)
      this.#consider(agent)
    })
  }

  /** Others see what is chosen a moment later. */
  #show(jobId: string, state: NonNullable<BoardJob['state']>): void {
    this.events.after(this.#between(GOSSIP_MS), () => this.#put({ ...this.#job(jobId), state }))
  }

  /** At most once a second, as real agents do. */
  #say(agent: Agent): void {
    if (agent.said === 'soon') return
    agent.said = 'soon'
    const earliestMs = agent.saidAtMs + ADVERTISE_EVERY_MS_MIN
    this.events.after(Math.max(0, earliestMs - this.events.nowMs), () => {
      agent.said = 'nothing'
      agent.saidAtMs = this.events.nowMs
      const { free } = this.#roomOf(agent)
      const gpusHeld = gpusHeldOf(agent.ledger)
      const advertisement = { ...agent.advertisement, free, gpusHeld, warm: agent.warm }
      this.events.after(this.#between(GOSSIP_MS), () => {
        this.#views = this.#views.with(agent.index, {
          advertisement,
          heardAtMs: this.events.nowMs,
          link: 'up',
          observed: advertisement.free.jobs < advertisement.capacity.jobs ? 'busy' : 'idle'
        })
      })
    })
  }

  #job(jobId: string): BoardJob {
    const job = this.#jobs.get(jobId)
    if (job === undefined) throw new Error(`${jobId} is on no board`)
    return job
  }

  #between([least, most]: readonly [number, number]): number {
    return least + this.#random.next() * (most - least)
  }
}

function isWaiting({ state }: BoardJob): boolean {
  return (state?.phase ?? 'queued') === 'queued'
}
