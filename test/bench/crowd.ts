import { Claimer } from '../../agent/claim/claimer.ts'
import type { Registers } from '../../agent/claim/ports.ts'
import { Renewer } from '../../agent/claim/renewer.ts'
import type { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import type { AttemptLog } from '../../agent/logs/attempt-log.ts'
import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { freeOf } from '../../protocol/core/capacity.ts'
import { ADVERTISE_EVERY_MS_MIN } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { silentLog } from '../../protocol/host/log.ts'
import {
  GIB,
  MemoryAttempts,
  OpenAttempts,
  RecordingDeadline,
  runWith
} from '../support/claim-bench.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { OneRegister } from '../support/one-register.ts'
import { plainDigest } from '../support/plain-digest.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const AGENTS = 50
const JOBS = 1_000
const JOBS_A_RUN = 10
const SLOTS = 2
/** Milliseconds, from a least to a most: one round at the witnesses, gossip, a job. */
const ROUND_MS = [2, 12] as const
const GOSSIP_MS = [5, 100] as const
const JOB_MS = [1_000, 5_000] as const
/** News of one such stretch are looked at together. */
const LOOK_MS = 20
const LIMIT_MS = 600_000

const OFFER = {
  platforms: [{ name: 'linux/amd64', native: true }],
  networks: [],
  labels: {},
  isolation: { offered: 'runc' as const, required: undefined },
  diskLimit: 'soft' as const,
  policy: undefined,
  capacity: { cpuMilli: 8_000, memoryBytes: 8 * GIB, diskBytes: 80 * GIB, jobs: SLOTS }
}

export interface CrowdReport {
  readonly bench: 'crowd'
  readonly jobs: number
  readonly agents: number
  /** Claims that went to the witnesses, for each job. */
  readonly claim_rounds_per_job: number
  /** Reads before claims, for each job. */
  readonly reads_per_job: number
  /** Until the last job had ended, in the simulated seconds of the mesh. */
  readonly simulated_s: number
}

/**
 * A thousand queued jobs and fifty agents, in one process and on simulated time: the agents' own
 * claim room and placement, in front of registers that answer as late, and gossip that comes as
 * late, as between hosts.
 */
export async function crowd(): Promise<CrowdReport> {
  const clock = new FakeClock()
  const scene = { clock, random: new SeededRandom(1), mesh: new OneRegister(), reads: 0 }
  // Only a read, or a hint that takes its time, shows what another agent did.
  scene.mesh.gossip = false
  for (let run = 0; run < JOBS / JOBS_A_RUN; run++) {
    scene.mesh.addRun(runWith(`${run}`.padStart(26, '0'), JOBS_A_RUN))
  }
  const agents: CrowdAgent[] = []
  for (let index = 0; index < AGENTS; index++) {
    agents.push(new CrowdAgent(scene, `agent-${index}`, agents))
  }
  // All know each other before the first job is looked at.
  for (const agent of agents) agent.advertise(0)
  await clock.advance(0)
  const startedAtMs = clock.bootMs()
  for (const agent of agents) agent.look()
  await clock.until(() => endedJobs(scene.mesh) === JOBS, LIMIT_MS)
  const simulatedMs = clock.bootMs() - startedAtMs
  await clock.settle(Promise.all(agents.map((agent) => agent.stop())), LIMIT_MS)
  return {
    bench: 'crowd',
    jobs: JOBS,
    agents: AGENTS,
    claim_rounds_per_job: scene.mesh.askedFor('claim').length / JOBS,
    reads_per_job: scene.reads / JOBS,
    simulated_s: Math.round(simulatedMs / 1_000)
  }
}

interface Scene {
  readonly clock: FakeClock
  readonly random: SeededRandom
  readonly mesh: OneRegister
  reads: number
}

function endedJobs(mesh: OneRegister): number {
  return mesh.askedFor('complete').length
}

class CrowdAgent {
  readonly #scene: Scene
  readonly #peers: readonly CrowdAgent[]
  readonly #registers: Registers
  readonly #claimer: Claimer
  #sequence = 0
  #saidAtMs = Number.NEGATIVE_INFINITY
  #saying = false
  #looking = false

  constructor(scene: Scene, peerId: string, peers: readonly CrowdAgent[]) {
    const { clock, random, mesh } = scene
    this.#scene = scene
    this.#peers = peers
    this.#registers = this.#delayed(mesh.member(peerId, random.id(8), clock))
    this.#claimer = claimerOf(scene, this.#registers, () => {
      this.#changed()
    })
  }

  stop(): Promise<void> {
    return this.#claimer.stop()
  }

  /** Considers the board soon; all news until then count as one. */
  look(): void {
    if (this.#looking) return
    this.#looking = true
    this.#scene.clock.arm(LOOK_MS, () => {
      this.#looking = false
      this.#claimer.consider()
    })
  }

  /** Tells all boards what is free here, `afterMs` from now at the earliest. */
  advertise(gossipMs?: number): void {
    const { clock } = this.#scene
    this.#sequence += 1
    this.#saidAtMs = clock.bootMs()
    const said = this.#statement()
    for (const peer of this.#peers) {
      clock.arm(gossipMs ?? this.#between(GOSSIP_MS), () => peer.hear(said))
    }
  }

  hear(advertisement: Advertisement): void {
    this.#registers.board.foldAdvertisement(advertisement, this.#scene.clock.bootMs())
    this.look()
  }

  /** At most one advertisement in ADVERTISE_EVERY_MS_MIN, as the real advertiser. */
  #changed(): void {
    if (this.#saying) return
    this.#saying = true
    const { clock } = this.#scene
    const dueMs = this.#saidAtMs + ADVERTISE_EVERY_MS_MIN - clock.bootMs()
    clock.arm(Math.max(0, dueMs), () => {
      this.#saying = false
      this.advertise()
    })
  }

  #delayed(inner: Registers): Registers {
    const { mesh, clock } = this.#scene
    return {
      ...inner,
      readJob: async (jobId) => {
        this.#scene.reads += 1
        await this.#wait(this.#between(ROUND_MS))
        return await inner.readJob(jobId)
      },
      changeJob: async (...facts) => {
        // Half before it is chosen, half until that is known.
        await this.#wait(this.#between(ROUND_MS))
        const change = await inner.changeJob(...facts)
        await this.#wait(this.#between(ROUND_MS))
        return change
      },
      hint: async (jobId) => {
        for (const peer of this.#peers) {
          clock.arm(this.#between(GOSSIP_MS), () => peer.#heed(mesh, jobId))
        }
      }
    }
  }

  /** What a board feed does with a hint: it reads the register. */
  #heed(mesh: OneRegister, jobId: string): void {
    const state = mesh.states.get(jobId)
    if (state === undefined) return
    if (this.#registers.board.foldJob(state, this.#scene.clock.wallMs())) this.look()
  }

  #between([min, max]: readonly [number, number]): number {
    return min + this.#scene.random.next() * (max - min)
  }

  #wait(ms: number): Promise<void> {
    return new Promise((done) => {
      this.#scene.clock.arm(ms, done)
    })
  }

  #statement(): Advertisement {
    const { peerId, boot } = this.#registers
    const ledger = this.#claimer.ledger
    const free = freeOf(ledger)
    return {
      peerId,
      name: peerId,
      boot,
      sequence: this.#sequence,
      state: free.jobs === SLOTS ? 'idle' : 'busy',
      version: '',
      ...OFFER,
      free,
      diskFreeBytes: 0,
      engine: '',
      jobs: this.#claimer.heldJobs,
      sentAtMs: 0,
      leaving: false,
      closing: undefined
    }
  }
}

function claimerOf(scene: Scene, registers: Registers, onHeld: () => void): Claimer {
  const { clock, random } = scene
  const log = silentLog()
  return new Claimer({
    registers,
    clock,
    random,
    digest: plainDigest(),
    log,
    renewer: new Renewer({ registers, clock, log }),
    executor: new TimedAttempts(clock, random),
    attempts: new MemoryAttempts(),
    secrets: { release: async () => [] },
    openDeadline: async () => {
      return new RecordingDeadline(clock, async () => undefined) as unknown as DeadlineFile
    },
    offer: OFFER,
    logs: { open: () => quietLog(), resume: async () => ({ log: quietLog(), lines: () => 0 }) },
    gpus: () => [],
    learnImages: async () => undefined,
    mayClaim: () => true,
    isOpen: () => true,
    onRoom: () => undefined,
    onHeld
  })
}

/** Every attempt succeeds after its time. */
class TimedAttempts extends OpenAttempts {
  readonly #clock: Clock
  readonly #random: SeededRandom

  constructor(clock: Clock, random: SeededRandom) {
    super()
    this.#clock = clock
    this.#random = random
  }

  override run(input: Parameters<OpenAttempts['run']>[0]): ReturnType<OpenAttempts['run']> {
    const index = this.inputs.length
    const running = super.run(input)
    const [min, max] = JOB_MS
    this.#clock.arm(min + this.#random.next() * (max - min), () => this.end(index))
    return running
  }
}

function quietLog(): AttemptLog {
  const close = async () => ({ lines: 0, digest: '' })
  const flushed = () => Promise.resolve()
  return { write: () => undefined, flushed, close } as unknown as AttemptLog
}
