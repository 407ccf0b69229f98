import type { FoundContainer } from '../../protocol/core/recovery.ts'
import type { LocalClock } from '../support/timeline.ts'
import type { Scene } from './scene.ts'

/** What a step came to, or nothing yet; 'none' before its exec. */
interface Work {
  state: 'none' | 'running' | 'over'
  exit: number
  /** True time of its first command, and how much of it there is. */
  startedAtMs: number
  ms: number
}

interface Container {
  readonly claimId: string
  readonly job: string
  readonly epoch: number
  readonly peer: string
  state: 'created' | 'running' | 'exited'
  readonly work: Work
  /** What it ran attacks process 1: the guardian on the host is left. */
  isHostile: boolean
  /** Of every process that asked: a dead one hears nothing. */
  readonly onExit: ((exit: number) => void)[]
}

export type Survivor = FoundContainer & { readonly job: string }

/** Milliseconds between two looks of the guard at its deadline, and until all is dead. */
const GUARD_TICK_MS = 200
/** The guardian goes this long after the deadline, and needs a moment. */
const GUARDIAN_AFTER_MS = 300
const GUARDIAN_MS_MAX = 300
/** Milliseconds of work between two lines of output. */
const LINE_MS = 400

export const EXIT_TOO_LATE = 75
export const EXIT_DEADLINE = 76
export const EXIT_KILLED = 137
const EXIT_TERMINATED = 143
/** Milliseconds that commands take to end after a SIGTERM that they heed. */
const TERM_MS_MAX = 6_000

/**
 * Engine, containers, guards and deadline files of one host. Calls to the engine go on when their
 * caller has died; a guard needs neither agent nor engine.
 */
export class ContainerHost {
  readonly #scene: Scene
  readonly #clock: LocalClock
  readonly #name: string
  readonly #containers = new Map<string, Container>()
  /** Boot milliseconds of this host, by claim. */
  readonly #deadlines = new Map<string, number>()
  callMsMax = 60
  hungUntilMs = 0
  /** The whole host is suspended until then: nothing runs, its boot clock goes on. */
  frozenUntilMs = 0
  hostileRate = 0

  constructor(name: string, scene: Scene, clock: LocalClock) {
    this.#name = name
    this.#scene = scene
    this.#clock = clock
  }

  writeDeadline(claimId: string, deadlineMs: number): void {
    this.#deadlines.set(claimId, deadlineMs)
    const facts = { host: this.#name, claimId, untilMs: this.#clock.trueMs(deadlineMs) }
    this.#scene.emit({ kind: 'deadline', ...facts })
  }

  forgetDeadline(claimId: string): void {
    this.#deadlines.delete(claimId)
  }

  create(facts: Pick<Container, 'claimId' | 'job' | 'epoch' | 'peer'>, done: () => void): void {
    this.#call(() => {
      const isHostile = this.#scene.timeline.random() < this.hostileRate
      const work: Work = { state: 'none', exit: 0, startedAtMs: 0, ms: 0 }
      const rest = { work, isHostile, onExit: [] }
      this.#containers.set(facts.claimId, { ...facts, ...rest, state: 'created' })
      done()
    })
  }

  /** False where the container is gone, or its guard did not let it in. */
  start(claimId: string, done: (started: boolean) => void): void {
    this.#call(() => {
      const container = this.#containers.get(claimId)
      if (container?.state !== 'created') return done(false)
      container.state = 'running'
      this.#scene.emit({ kind: 'starts', claimId })
      if (this.#isOver(claimId)) {
        this.#scene.count('container: started too late')
        this.#end(container, EXIT_TOO_LATE)
        return done(false)
      }
      this.#guard(container)
      done(true)
    })
  }

  /**
   * Runs the job's own commands, once: whoever asks again follows what runs. `done` gets their exit
   * code, or that of whoever ended them.
   */
  exec(claimId: string, workMs: number, exit: number, done: (exit: number) => void): void {
    this.#call(() => {
      const container = this.#containers.get(claimId)
      if (container?.state !== 'running') return done(EXIT_KILLED)
      const { work, job, epoch } = container
      if (work.state === 'over') return done(work.exit)
      container.onExit.push(done)
      if (work.state === 'running') return
      Object.assign(work, { state: 'running', ms: workMs, startedAtMs: this.#nowMs })
      const untilMs = this.#clock.trueMs(this.#deadlines.get(claimId) ?? 0)
      this.#scene.emit({ kind: 'user_code', host: this.#name, job, epoch, claimId, untilMs })
      this.#awake(this.#nowMs + workMs, () => {
        if (work.state === 'running') this.#finish(container, exit)
      })
    })
  }

  /** Lines that the job has written so far: they stay in its container. */
  lines(claimId: string): number {
    const work = this.#containers.get(claimId)?.work
    if (work === undefined || work.state === 'none') return 0
    return Math.floor(Math.min(this.#nowMs - work.startedAtMs, work.ms) / LINE_MS)
  }

  /** SIGTERM to the job's own commands, which end soon, take their time, or do not care. */
  terminate(claimId: string, done: () => void): void {
    const { aside } = this.#scene
    this.#call(() => {
      const container = this.#containers.get(claimId)
      const { work } = container ?? {}
      const wishMs = aside.random() * TERM_MS_MAX
      if (container !== undefined && work?.state === 'running' && aside.random() < 0.7) {
        this.#awake(this.#nowMs + wishMs, () => {
          if (container.state !== 'running' || work.state !== 'running') return
          this.#scene.count('container: ended at a SIGTERM')
          this.#finish(container, EXIT_TERMINATED)
        })
      }
      done()
    }, aside)
  }

  /** Gone for sure once `done` runs. */
  remove(claimId: string, done: () => void): void {
    this.#scene.emit({ kind: 'removes', claimId })
    this.#call(() => {
      const container = this.#containers.get(claimId)
      if (container !== undefined) this.#end(container, EXIT_KILLED)
      this.#containers.delete(claimId)
      done()
    })
  }

  /** The engine or the kernel kills what runs: nobody asked for it. */
  killAll(): boolean {
    if (this.frozenUntilMs > this.#nowMs) return false
    const running = [...this.#containers.values()].filter(({ state }) => state === 'running')
    for (const container of running) this.#end(container, EXIT_KILLED)
    return running.length > 0
  }

  /** All containers of a peer, whatever state they are in, with the deadlines beside them. */
  survivors(peer: string, done: (found: readonly Survivor[]) => void): void {
    this.#call(() => {
      const own = [...this.#containers.values()].filter((container) => container.peer === peer)
      done(
        own.map(({ job, epoch, claimId, state }) => {
          return { job, epoch, claimId, state, deadlineMs: this.#deadlines.get(claimId) }
        })
      )
    })
  }

  /** Removes all containers of a peer but those of `owned` claims. */
  reap(peer: string, owned: ReadonlySet<string>, done: () => void): void {
    this.#call(() => {
      const left = [...this.#containers.values()].filter((container) => {
        return container.peer === peer && !owned.has(container.claimId)
      })
      let open = left.length
      if (open === 0) return done()
      for (const { claimId } of left) {
        this.remove(claimId, () => {
          open -= 1
          if (open === 0) done()
        })
      }
    })
  }

  get #nowMs(): number {
    return this.#scene.timeline.nowMs
  }

  #call(task: () => void, chance: Pick<Scene['aside'], 'random'> = this.#scene.timeline): void {
    const afterMs = chance.random() * this.callMsMax
    this.#awake(Math.max(this.#nowMs, this.hungUntilMs) + afterMs, task)
  }

  /** Then, or when the host wakes. */
  #awake(atMs: number, task: () => void): void {
    const { timeline } = this.#scene
    timeline.at(atMs, () => {
      if (this.frozenUntilMs > timeline.nowMs) this.#awake(this.frozenUntilMs, task)
      else task()
    })
  }

  #isOver(claimId: string): boolean {
    return this.#clock.localMs() >= (this.#deadlines.get(claimId) ?? 0)
  }

  // Process 1 of the container reads the file again and again; looked at here when it is due.
  #guard(container: Container): void {
    const { timeline } = this.#scene
    const { claimId } = container
    const dueMs = this.#clock.trueMs(this.#deadlines.get(claimId) ?? 0)
    // A host that slept wakes within the guard's tick, not at its beginning.
    const tickMs = timeline.random() * GUARD_TICK_MS
    timeline.at(Math.max(dueMs, this.frozenUntilMs) + tickMs, () => {
      if (container.state !== 'running') return
      if (this.frozenUntilMs > timeline.nowMs) return this.#guard(container)
      if (!this.#isOver(claimId)) return this.#guard(container)
      // A job can stop its guard only once it runs: then the guardian is left.
      if (container.isHostile && container.work.state !== 'none') return this.#guardian(container)
      this.#scene.count('container: ended by its guard')
      this.#end(container, EXIT_DEADLINE)
    })
  }

  #guardian(container: Container): void {
    const { timeline } = this.#scene
    const { claimId } = container
    const dueMs = this.#clock.trueMs(this.#deadlines.get(claimId) ?? 0)
    const endMs = dueMs + GUARDIAN_AFTER_MS + timeline.random() * GUARDIAN_MS_MAX
    this.#awake(Math.max(timeline.nowMs, endMs), () => {
      if (container.state !== 'running') return
      if (!this.#isOver(claimId)) return this.#guard(container)
      this.#scene.count('container: ended by the guardian')
      this.#end(container, EXIT_KILLED)
    })
  }

  #finish({ claimId, work, onExit }: Container, exit: number): void {
    const ms = Math.min(work.ms, this.#nowMs - work.startedAtMs)
    Object.assign(work, { state: 'over', exit, ms })
    this.#scene.emit({ kind: 'ends', claimId, exit })
    for (const done of onExit) done(exit)
  }

  #end(container: Container, exit: number): void {
    if (container.state === 'exited') return
    if (container.state === 'running')
      this.#scene.emit({ kind: 'stops', claimId: container.claimId })
    container.state = 'exited'
    if (container.work.state === 'running') this.#finish(container, exit)
  }
}
