import type { LocalClock } from '../support/timeline.ts'
import type { Scene } from './scene.ts'

interface Container {
  readonly claimId: string
  readonly job: string
  readonly epoch: number
  readonly peer: string
  state: 'created' | 'running' | 'exited'
  hasUserCode: boolean
  /** What it ran attacks process 1: the guardian on the host is left. */
  isHostile: boolean
  onExit: (exit: number) => void
}

/** Milliseconds between two looks of the guard at its deadline, and until all is dead. */
const GUARD_TICK_MS = 200
/** The guardian goes this long after the deadline, and needs a moment. */
const GUARDIAN_AFTER_MS = 300
const GUARDIAN_MS_MAX = 300

export const EXIT_TOO_LATE = 75
export const EXIT_DEADLINE = 76
export const EXIT_KILLED = 137

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
  hostileRate = 0

  constructor(name: string, scene: Scene, clock: LocalClock) {
    this.#name = name
    this.#scene = scene
    this.#clock = clock
  }

  writeDeadline(claimId: string, deadlineMs: number): void {
    this.#deadlines.set(claimId, deadlineMs)
    this.#scene.emit({ kind: 'deadline', claimId, untilMs: this.#clock.trueMs(deadlineMs) })
  }

  forgetDeadline(claimId: string): void {
    this.#deadlines.delete(claimId)
  }

  create(facts: Pick<Container, 'claimId' | 'job' | 'epoch' | 'peer'>, done: () => void): void {
    this.#call(() => {
      const isHostile = this.#scene.timeline.random() < this.hostileRate
      const rest = { hasUserCode: false, isHostile, onExit: () => undefined }
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
      if (this.#isOver(claimId)) {
        this.#end(container, EXIT_TOO_LATE)
        return done(false)
      }
      this.#guard(container)
      done(true)
    })
  }

  /** Runs the job's own commands; `done` gets their exit code, or that of whoever ended them. */
  exec(claimId: string, workMs: number, exit: number, done: (exit: number) => void): void {
    this.#call(() => {
      const container = this.#containers.get(claimId)
      if (container?.state !== 'running') return done(EXIT_KILLED)
      const { job, epoch } = container
      container.hasUserCode = true
      container.onExit = done
      const untilMs = this.#clock.trueMs(this.#deadlines.get(claimId) ?? 0)
      this.#scene.emit({ kind: 'user_code', host: this.#name, job, epoch, claimId, untilMs })
      this.#scene.timeline.after(workMs, () => {
        if (container.state === 'running') this.#end(container, exit)
      })
    })
  }

  /** Gone for sure once `done` runs. */
  remove(claimId: string, done: () => void): void {
    this.#call(() => {
      const container = this.#containers.get(claimId)
      if (container !== undefined) this.#end(container, EXIT_KILLED)
      this.#containers.delete(claimId)
      done()
    })
  }

  /** The engine or the kernel kills what runs: nobody asked for it. */
  killAll(): void {
    for (const container of this.#containers.values()) {
      if (container.state === 'running') this.#end(container, EXIT_KILLED)
    }
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

  #call(task: () => void): void {
    const { timeline } = this.#scene
    const afterMs = timeline.random() * this.callMsMax
    timeline.at(Math.max(timeline.nowMs, this.hungUntilMs) + afterMs, task)
  }

  #isOver(claimId: string): boolean {
    return this.#clock.localMs() >= (this.#deadlines.get(claimId) ?? 0)
  }

  // Process 1 of the container reads the file again and again; looked at here when it is due.
  #guard(container: Container): void {
    const { timeline } = this.#scene
    const { claimId } = container
    const dueMs = this.#clock.trueMs(this.#deadlines.get(claimId) ?? 0)
    timeline.at(dueMs + timeline.random() * GUARD_TICK_MS, () => {
      if (container.state !== 'running') return
      if (!this.#isOver(claimId)) return this.#guard(container)
      // A job can stop its guard only once it runs: then the guardian is left.
      if (container.isHostile && container.hasUserCode) this.#guardian(container)
      else this.#end(container, EXIT_DEADLINE)
    })
  }

  #guardian(container: Container): void {
    const { timeline } = this.#scene
    const { claimId } = container
    const dueMs = this.#clock.trueMs(this.#deadlines.get(claimId) ?? 0)
    const endMs = dueMs + GUARDIAN_AFTER_MS + timeline.random() * GUARDIAN_MS_MAX
    timeline.at(Math.max(timeline.nowMs, endMs), () => {
      if (container.state !== 'running') return
      if (this.#isOver(claimId)) this.#end(container, EXIT_KILLED)
      else this.#guard(container)
    })
  }

  #end(container: Container, exit: number): void {
    if (container.state === 'exited') return
    container.state = 'exited'
    if (!container.hasUserCode) return
    this.#scene.emit({ kind: 'ends', claimId: container.claimId, exit })
    container.onExit(exit)
  }
}
