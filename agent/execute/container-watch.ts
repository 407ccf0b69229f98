import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from './engine.ts'
import { SERVICE_LABEL } from './engine-events.ts'
import type { EngineEvent } from './engine-types.ts'

/** Milliseconds before the event stream is asked for again after it broke. */
const RECONNECT_MS = 200

/** Signals that end what runs; the guard hands the first on, and process 1 ignores all others. */
const ENDING_SIGNALS: readonly number[] = [15, 9]

export interface Death {
  readonly exitCode: number | undefined
}

/**
 * What the engine reports of one container: an exec that is killed for memory looks like any other
 * exit 137, and only the events say why.
 */
export class ContainerWatch {
  /** Times that the kernel ended one of its processes for memory. */
  oomKills = 0
  /** Times that the engine was asked to end it, by us or by anybody else. */
  kills = 0
  #died: Death | undefined
  readonly #engine: Engine
  readonly #labels: Readonly<Record<string, string>>
  readonly #stop = new AbortController()
  readonly #marks = new Set<string>()
  readonly #execEnds = new Set<string>()
  /** A label of its image hides which exec an event is of: no end is ever told. */
  #hidesExecs = false
  readonly #waiters = new Set<() => void>()
  #running: Promise<void> = Promise.resolve()
  #since: string | undefined

  constructor(engine: Engine, labels: Readonly<Record<string, string>>) {
    this.#engine = engine
    this.#labels = labels
  }

  /**
   * Resolves once no later event can be missed; with `since`, none that the engine still remembers
   * of the time from then on.
   */
  async start(since?: string): Promise<void> {
    this.#since = since
    const ready = Promise.withResolvers<void>()
    this.#running = this.#follow(() => ready.resolve(), ready.reject)
    await ready.promise
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** How process 1 has ended; undefined while it runs. */
  death(): Death | undefined {
    return this.#died
  }

  /** Calls `then` once process 1 has ended, and again at what comes after; gives what ends that. */
  onDeath(then: () => void): () => void {
    const check = (): void => {
      if (this.#died !== undefined) then()
    }
    this.#waiters.add(check)
    check()
    return () => void this.#waiters.delete(check)
  }

  /** True for an exec whose end was reported: every event before it is in. */
  hasEnded(execId: string): boolean {
    return execId !== '' && this.#execEnds.has(execId)
  }

  /** True for what `Engine.mark` has made: likewise. */
  hasSeen(mark: string): boolean {
    return this.#marks.has(mark)
  }

  /**
   * For an exec that has ended: resolves once that was reported, or will not be, or when `ms` are
   * over.
   */
  async untilEnded(execId: string, ms: number): Promise<void> {
    const isIn = (): boolean =>
      this.hasEnded(execId) || this.#hidesExecs || this.#died !== undefined
    await this.until(isIn, ms)
  }

  /** Resolves when `isTrue`, judged after every event, or when `ms` are over. */
  async until(isTrue: () => boolean, ms: number): Promise<void> {
    if (isTrue()) return
    const done = new AbortController()
    const check = (): void => {
      if (isTrue()) done.abort()
    }
    this.#waiters.add(check)
    try {
      await sleep(ms, undefined, { signal: done.signal })
    } catch {
      // Aborted: it is true.
    } finally {
      this.#waiters.delete(check)
    }
  }

  async #follow(onReady: () => void, onFailure: (error: unknown) => void): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        const take = (event: EngineEvent): void => this.#take(event)
        await this.#engine.events(this.#labels, this.#since, take, signal, onReady)
      } catch (error) {
        // Matters for the first connection only; a later one is tried again.
        onFailure(error)
      }
      // Nothing seen yet: ask for all that the engine still remembers, or an event would be missed.
      this.#since ??= '0'
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  #take(event: EngineEvent): void {
    this.#since = event.time
    // A job's services have its claim as well, and end without it.
    if (event.service !== this.#labels[SERVICE_LABEL]) return
    if (event.action === 'oom') this.oomKills += 1
    else if (event.action === 'exec_create') this.#takeMade(event)
    else if (event.action === 'exec_die') this.#execEnds.add(event.execId)
    else if (event.action === 'kill') this.kills += Number(endsWhatRuns(event))
    else this.#died ??= { exitCode: event.exitCode }
    for (const waiter of this.#waiters) waiter()
  }

  #takeMade({ execId, mark }: EngineEvent): void {
    if (execId === '') this.#hidesExecs = true
    if (mark !== undefined) this.#marks.add(mark)
  }
}

/** A signal that the engine does not name is taken for one that does. */
function endsWhatRuns({ signal }: EngineEvent): boolean {
  return signal === undefined || ENDING_SIGNALS.includes(signal)
}
