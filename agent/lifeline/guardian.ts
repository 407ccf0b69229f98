import { causeOf } from '../../protocol/core/errors.ts'
import {
  GUARDIAN_CHARGE_MS_MAX,
  GUARDIAN_KILL_MS,
  GUARDIAN_LIST_DUE_MS,
  GUARDIAN_LIST_IDLE_MS,
  GUARDIAN_LIST_MS,
  GUARDIAN_RETRY_MS_MAX,
  GUARDIAN_TICK_IDLE_MS,
  GUARDIAN_TICK_MS,
  GUARDIAN_TRIES_MAX
} from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import { leaseName } from '../execute/deadline-file.ts'
import type { Engine } from '../execute/engine.ts'
import type { FirstProcess, FirstProcesses } from './first-process.ts'
import type { LeaseFolders } from './lease-folders.ts'
import {
  type Box,
  endOf,
  isDue,
  judge,
  type Leases,
  type Over,
  type Sight,
  spentLeases
} from './overdue.ts'

/** What the guardian asks of the engine; `Engine` is the real one. */
export type GuardedEngine = Pick<Engine, 'containers' | 'inspect' | 'kill' | 'remove'>

/** Whose containers are guarded, and by which deadlines. */
export interface Charge {
  readonly labels: Readonly<Record<string, string>>
  readonly leases: Pick<LeaseFolders, 'read' | 'remove'>
  readonly engine: GuardedEngine
  readonly agentGone: boolean
}

export interface GuardianParts {
  readonly clock: Clock
  readonly log: Log
  readonly processes: FirstProcesses
  /** Asked at every look, since an agent may start again; undefined before its first start. */
  charge(): Promise<Charge | undefined>
  /** Called after each list of containers that the engine gave. */
  onLook(): void
}

export interface GuardianOptions {
  /** Goes on when the agent is gone and nothing is left: for a unit of its own. */
  readonly stay: boolean
}

interface KnownBox extends Box {
  readonly name: string
  readonly job: string
  readonly running: boolean
}

/** First pause after a failed call; it doubles. */
const RETRY_MS_MIN = 100

/**
 * Ends containers whose lease is over, whatever their agent and their guard do. It looks at the
 * lease folders often and at the engine seldom, so that it knows what to end before the engine
 * hangs. Nothing that it does depends on the agent.
 */
export class Guardian {
  readonly #parts: GuardianParts
  readonly #options: GuardianOptions
  readonly #boxes = new Map<string, KnownBox>()
  readonly #firsts = new Map<string, FirstProcess>()
  readonly #asked = new Set<string>()
  /** Removed since the list in flight was asked for: it may still show them. */
  readonly #removed = new Set<string>()
  readonly #ending = new Map<string, Promise<void>>()
  #finished = false
  #woken = false
  #rested = (): void => undefined
  #leases: Leases = new Map()
  #lacking: ReadonlyMap<string, number> = new Map()
  #dueBefore: ReadonlySet<string> = new Set()
  #listing = false
  #nextListMs = 0
  #listFailures = 0
  #said = ''
  #goneSinceMs: number | undefined
  #chargelessSinceMs: number | undefined
  /** Start of the last list that the engine gave. */
  #listedMs = Number.NEGATIVE_INFINITY

  constructor(parts: GuardianParts, options: GuardianOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Resolves once the agent is gone and nothing of it is left, or at `signal`. */
  async run(signal: AbortSignal): Promise<void> {
    const finish = (): void => {
      this.#finished = true
      this.#wake()
    }
    signal.addEventListener('abort', finish, { once: true })
    if (signal.aborted) finish()
    while (!this.#finished) await this.#rest(await this.#lookSafely())
    signal.removeEventListener('abort', finish)
  }

  /** For `ms`, or until there is news. */
  async #rest(ms: number): Promise<void> {
    if (!(this.#woken || this.#finished)) {
      await new Promise<void>((resolve) => {
        const disarm = this.#parts.clock.arm(ms, resolve)
        this.#rested = (): void => {
          disarm()
          resolve()
        }
      })
    }
    this.#woken = false
  }

  #wake(): void {
    this.#woken = true
    this.#rested()
  }

  async #lookSafely(): Promise<number> {
    try {
      return await this.#look()
    } catch (error) {
      // A bug here must not end the last thing that ends containers.
      this.#parts.log.error({ err: error }, 'look failed')
      return GUARDIAN_TICK_MS
    }
  }

  /** One look; gives the milliseconds to the next one. */
  async #look(): Promise<number> {
    const charge = await this.#parts.charge()
    if (charge === undefined) return this.#noCharge()
    const sight = await this.#see(charge)
    const { askedMs } = sight
    const verdict = judge([...this.#boxes.values()], sight, this.#lacking)
    this.#lacking = verdict.lacking
    for (const over of verdict.over) this.#begin(charge, over)
    const nextDueMs = this.#noteDue(askedMs)
    this.#noteAgent(charge, askedMs)
    if (this.#isListDue(charge, askedMs)) void this.#list(charge, askedMs)
    if (charge.agentGone && (await this.#settle(charge, askedMs))) this.#finished = true
    const isWaiting = verdict.over.length > 0 || this.#lacking.size > 0 || this.#listing
    const tickMs = isWaiting || charge.agentGone ? GUARDIAN_TICK_MS : GUARDIAN_TICK_IDLE_MS
    const nowMs = this.#parts.clock.bootMs()
    return Math.max(0, Math.min(tickMs, verdict.nextMs - nowMs, nextDueMs - nowMs))
  }

  /** An agent that died before it could say what to guard, or whose state is gone, says nothing. */
  #noCharge(): number {
    const nowMs = this.#parts.clock.bootMs()
    this.#chargelessSinceMs ??= nowMs
    const isLate = nowMs - this.#chargelessSinceMs >= GUARDIAN_CHARGE_MS_MAX
    if (isLate && !this.#options.stay) {
      this.#parts.log.warn('nobody says what to guard')
      this.#finished = true
    }
    return GUARDIAN_TICK_IDLE_MS
  }

  async #see({ leases }: Charge): Promise<Sight> {
    const { clock } = this.#parts
    const askedMs = clock.bootMs()
    try {
      this.#leases = await leases.read()
    } catch (error) {
      // The deadlines read last still count; none of them is renewed, so that this fails closed.
      this.#say('leases not readable', causeOf(error))
    }
    return { leases: this.#leases, askedMs, seenMs: clock.bootMs() }
  }

  /**
   * A lease that has just run out is worth a list at once: its container may not be known yet.
   * Gives the instant at which the next one runs out.
   */
  #noteDue(nowMs: number): number {
    const due = new Set<string>()
    let nextMs = Number.POSITIVE_INFINITY
    for (const [lease, deadlineMs] of this.#leases) {
      if (isDue(deadlineMs, nowMs)) due.add(lease)
      else if (deadlineMs !== undefined) nextMs = Math.min(nextMs, endOf(deadlineMs))
    }
    const isNew = [...due].some((lease) => !this.#dueBefore.has(lease))
    if (isNew && this.#listFailures === 0) this.#nextListMs = nowMs
    this.#dueBefore = due
    return nextMs
  }

  #noteAgent({ agentGone }: Charge, nowMs: number): void {
    if (agentGone === (this.#goneSinceMs !== undefined)) return
    this.#goneSinceMs = agentGone ? nowMs : undefined
    this.#parts.log.info({ agent: agentGone ? 'gone' : 'running' }, 'agent changed')
    if (agentGone) this.#nextListMs = nowMs
  }

  #isListDue(charge: Charge, nowMs: number): boolean {
    if (this.#listing) return false
    if (nowMs >= this.#nextListMs) return true
    // A lease that has come since the last list is no reason to wait as long as without any.
    return this.#listFailures === 0 && nowMs >= this.#listedMs + this.#listEveryMs(charge)
  }

  async #list(charge: Charge, startedMs: number): Promise<void> {
    const { clock } = this.#parts
    this.#listing = true
    this.#removed.clear()
    try {
      const found = await charge.engine.containers(charge.labels)
      this.#boxes.clear()
      for (const one of found) {
        if (this.#removed.has(one.id)) continue
        const job = one.labels['runner-mesh.job'] ?? ''
        const lease = leaseName(job, one.labels['runner-mesh.claim'] ?? '')
        this.#boxes.set(one.id, { id: one.id, name: one.name, job, lease, running: one.running })
      }
      for (const id of this.#firsts.keys()) if (!this.#boxes.has(id)) this.#firsts.delete(id)
      if (this.#listFailures > 0) this.#parts.log.info({}, 'engine answers again')
      this.#listFailures = 0
      this.#said = ''
      this.#listedMs = startedMs
      this.#parts.onLook()
      for (const box of this.#boxes.values()) void this.#recognise(charge, box)
      this.#nextListMs = clock.bootMs() + this.#listEveryMs(charge)
    } catch (error) {
      this.#listFailures += 1
      this.#nextListMs = clock.bootMs() + retryMs(this.#listFailures)
      this.#say('engine does not answer', causeOf(error))
    } finally {
      this.#listing = false
      // What is new may be over already.
      this.#wake()
    }
  }

  #listEveryMs({ agentGone }: Charge): number {
    if (agentGone || this.#dueBefore.size > 0) return GUARDIAN_LIST_DUE_MS
    return this.#isQuiet() ? GUARDIAN_LIST_IDLE_MS : GUARDIAN_LIST_MS
  }

  #isQuiet(): boolean {
    return this.#leases.size === 0 && this.#boxes.size === 0
  }

  /** Learns a container's process 1 while the engine answers: needed when it does not. */
  async #recognise(charge: Charge, box: KnownBox): Promise<void> {
    if (!box.running || this.#firsts.has(box.id) || this.#asked.has(box.id)) return
    this.#asked.add(box.id)
    try {
      const pid = (await charge.engine.inspect(box.id))?.pid ?? 0
      const first = this.#parts.processes.recognise(box.id, pid)
      if (first !== undefined) this.#firsts.set(box.id, first)
    } catch {
      // The next list asks again.
    } finally {
      this.#asked.delete(box.id)
    }
  }

  #begin(charge: Charge, over: Over<KnownBox>): void {
    const { id } = over.box
    if (this.#ending.has(id)) return
    const done = this.#end(charge, over).finally(() => this.#ending.delete(id))
    this.#ending.set(id, done)
  }

  /** Never rejects: what is left is in the next list, and is ended again. */
  async #end({ engine }: Charge, { box, reason }: Over<KnownBox>): Promise<void> {
    const { clock, log } = this.#parts
    const startedMs = clock.bootMs()
    const facts = { job: box.job, container: box.name, reason }
    log.warn({ ...facts, deadlineMs: this.#leases.get(box.lease) }, 'lease over')
    await this.#kill(engine, box)
    for (let tries = 1; tries <= GUARDIAN_TRIES_MAX; tries++) {
      try {
        await engine.remove(box.id)
        this.#boxes.delete(box.id)
        this.#removed.add(box.id)
        log.warn({ ...facts, ms: clock.bootMs() - startedMs }, 'container removed')
        return
      } catch (error) {
        log.warn({ ...facts, tries, cause: causeOf(error) }, 'container not removed')
        await this.#pause(retryMs(tries))
      }
    }
  }

  async #kill(engine: GuardedEngine, box: KnownBox): Promise<void> {
    const { log, processes } = this.#parts
    const answer = engine.kill(box.id, 'SIGKILL').then(
      () => 'killed' as const,
      (error: unknown) => causeOf(error)
    )
    const late = this.#pause(GUARDIAN_KILL_MS).then(() => 'no answer yet')
    const said = await Promise.race([answer, late])
    if (said === 'killed') return
    // The engine hangs or refuses, and the job runs: its process 1 takes all others with it.
    const first = this.#firsts.get(box.id)
    const end = first === undefined ? 'not_known' : processes.kill(first)
    log.warn({ job: box.job, container: box.name, engine: said, end }, 'killed by process id')
  }

  /** True once nothing is left of an agent that is gone. */
  async #settle({ leases }: Charge, nowMs: number): Promise<boolean> {
    const seenAfter = this.#goneSinceMs ?? nowMs
    // A list from before its end may lack what it made last.
    if (this.#listedMs < seenAfter) return false
    // An agent that starts again says so before it makes a lease: none seen by now is its own.
    if ((await this.#parts.charge())?.agentGone !== true) return false
    for (const lease of spentLeases([...this.#boxes.values()], this.#leases, this.#listedMs)) {
      await leases.remove(lease).catch((error: unknown) => {
        this.#say('lease folder not removed', causeOf(error))
      })
    }
    if (this.#options.stay) return false
    return this.#boxes.size === 0 && this.#leases.size === 0 && this.#ending.size === 0
  }

  /** Said once, not ten times a second. */
  #say(what: string, cause: string): void {
    if (this.#said === `${what}: ${cause}`) return
    this.#said = `${what}: ${cause}`
    this.#parts.log.error({ cause }, what)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.arm(ms, resolve)
    })
  }
}

function retryMs(failures: number): number {
  return Math.min(RETRY_MS_MIN * 2 ** (failures - 1), GUARDIAN_RETRY_MS_MAX)
}
