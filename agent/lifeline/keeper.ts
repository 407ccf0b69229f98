import { causeOf } from '../../protocol/core/errors.ts'
import {
  GUARDIAN_BLIND_MS_MAX,
  GUARDIAN_HUNG_MS_MAX,
  GUARDIAN_RESTART_MS_MAX,
  GUARDIAN_SILENT_MS_MAX,
  GUARDIAN_START_MS_MAX
} from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import { isAlive, type ProcessIdentity } from '../../protocol/host/process-identity.ts'
import { pause } from '../claim/ending.ts'
import type { Beat } from './beat.ts'
import { hearBeats } from './beat-reader.ts'
import type { Launched } from './launch.ts'

export interface KeeperParts {
  readonly clock: Clock
  readonly log: Log
  /** Absent where the guardian is somebody else's to start and to end. */
  readonly own?: OwnGuardian | undefined
}

export interface OwnGuardian {
  launch(): Launched
  /** The process that has the tenure, whether it answers or not. */
  holder(): Promise<ProcessIdentity | undefined>
}

export interface KeeperOptions {
  readonly socket: string
  readonly peerId: string
  readonly storeId: string
  readonly version: string
}

/** Why no guardian holds, with the way out; as a health line shows it. */
export interface LifelineProblem {
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** Milliseconds between two tries to reach a guardian that is starting. */
const CONNECT_EVERY_MS = 50
/** First pause before another guardian is started; it doubles up to GUARDIAN_RESTART_MS_MAX. */
const RESTART_MS_MIN = 250

/**
 * Keeps a guardian alive for this agent and knows whether one holds: no lease without a lifeline.
 * It only listens; a guardian takes no orders from an agent.
 */
export class LifelineKeeper {
  readonly #parts: KeeperParts
  readonly #options: KeeperOptions
  readonly #listeners: (() => void)[] = []
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #beat: Beat | undefined
  #heardMs = Number.NEGATIVE_INFINITY
  #cause = 'none has been started yet'
  #held = false
  #disarm: (() => void) | undefined

  constructor(parts: KeeperParts, options: KeeperOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** True while a guardian has just said that it sees this agent's containers. */
  get holds(): boolean {
    return this.problem() === undefined
  }

  problem(): LifelineProblem | undefined {
    const cause = this.#lack()
    if (cause === undefined) return undefined
    const message = `no guardian holds the lifeline: ${cause}; no job is claimed without one`
    const fix =
      this.#parts.own === undefined
        ? 'start `agent lifeline --stay` for this state folder, as a unit of its own'
        : 'read lifeline.log in the state folder; the agent goes on starting one'
    return { code: 'LIFELINE_ABSENT', message, fix }
  }

  /** Told when a guardian begins to hold, and when none does any more. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  start(): void {
    this.#running = this.#keep()
  }

  /** Leaves the guardian alone: it ends by itself once nothing of this agent is left. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#disarm?.()
    await this.#running
  }

  async #keep(): Promise<void> {
    const { own, clock } = this.#parts
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted; failures++) {
      const startedMs = clock.bootMs()
      const wasThere = await this.#follow()
      if (signal.aborted) return
      if (own !== undefined) await this.#start(own)
      else if (!wasThere) this.#cause = 'nothing answers at its socket'
      // One that ends again and again must not keep the host busy with its starts.
      if (clock.bootMs() - startedMs > GUARDIAN_HUNG_MS_MAX) failures = 0
      const pauseMs = Math.min(RESTART_MS_MIN * 2 ** failures, GUARDIAN_RESTART_MS_MAX)
      await pause(clock, own === undefined ? RESTART_MS_MIN : pauseMs, signal)
    }
  }

  /** Starts one and stays with it until it is gone. */
  async #start(own: OwnGuardian): Promise<void> {
    const { clock } = this.#parts
    const { signal } = this.#stop
    let ended: string | undefined
    try {
      void own.launch().ended.then((reason) => {
        ended = reason
      })
    } catch (error) {
      this.#lost(causeOf(error))
      return
    }
    const limitMs = clock.bootMs() + GUARDIAN_START_MS_MAX
    while (!signal.aborted && clock.bootMs() < limitMs) {
      if (await this.#follow()) return
      if (ended !== undefined) {
        this.#lost(`it ended with ${ended}`)
        return
      }
      await pause(clock, CONNECT_EVERY_MS, signal)
    }
    this.#lost('it does not answer')
  }

  /** Listens to the guardian that is there until it is gone; true where there was one. */
  async #follow(): Promise<boolean> {
    const { log } = this.#parts
    const cut = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, cut.signal])
    // A stopped process takes connections and never says a word.
    this.#endAfter(GUARDIAN_HUNG_MS_MAX, cut)
    const onBeat = (beat: Beat): void => this.#take(beat, cut)
    const end = await hearBeats(this.#options.socket, onBeat, signal)
    this.#disarm?.()
    if (this.#stop.signal.aborted) return true
    if (end === 'never_there' && !cut.signal.aborted) return false
    log.warn({ pid: this.#beat?.guardian.pid }, 'guardian gone')
    this.#lost('it is gone')
    return true
  }

  #take(beat: Beat, cut: AbortController): void {
    const isNew = beat.guardian.pid !== this.#beat?.guardian.pid
    this.#beat = beat
    this.#heardMs = this.#parts.clock.bootMs()
    if (isNew) {
      const { pid } = beat.guardian
      this.#parts.log.info({ pid, version: beat.version }, 'guardian found')
      if (beat.version !== this.#options.version) this.#end(beat.guardian, 'SIGTERM')
    }
    this.#watch(cut)
    this.#tell()
  }

  /** Silence is told of once it is long enough, and ended where it does not end by itself. */
  #watch(cut: AbortController): void {
    this.#disarm?.()
    this.#disarm = this.#parts.clock.arm(GUARDIAN_SILENT_MS_MAX, () => {
      this.#tell()
      this.#endAfter(GUARDIAN_HUNG_MS_MAX - GUARDIAN_SILENT_MS_MAX, cut)
    })
  }

  #endAfter(ms: number, cut: AbortController): void {
    this.#disarm?.()
    this.#disarm = this.#parts.clock.arm(ms, () => {
      void this.#endHung().finally(() => cut.abort())
    })
  }

  async #endHung(): Promise<void> {
    const holder = this.#beat?.guardian ?? (await this.#parts.own?.holder())
    if (holder !== undefined) this.#end(holder, 'SIGKILL')
  }

  /** One of an older version is to make room, one that hangs is to make room at once. */
  #end(guardian: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
    const { own, log } = this.#parts
    // Somebody else's to start is somebody else's to end.
    if (own === undefined || !isAlive(guardian)) return
    log.warn({ pid: guardian.pid, signal }, 'guardian ended')
    try {
      process.kill(guardian.pid, signal)
    } catch (error) {
      log.error({ pid: guardian.pid, cause: causeOf(error) }, 'guardian not ended')
    }
  }

  #lack(): string | undefined {
    const beat = this.#beat
    const { peerId, storeId } = this.#options
    if (beat === undefined) return this.#cause
    const { pid } = beat.guardian
    const silentMs = this.#parts.clock.bootMs() - this.#heardMs
    if (silentMs >= GUARDIAN_SILENT_MS_MAX) return `process ${pid} does not answer`
    if (beat.peerId !== peerId || beat.storeId !== storeId) {
      return `process ${pid} does not guard this agent yet`
    }
    if (beat.lookAgoMs === null || beat.lookAgoMs > GUARDIAN_BLIND_MS_MAX) {
      return `process ${pid} gets no answer from the engine`
    }
    return undefined
  }

  #lost(cause: string): void {
    this.#beat = undefined
    this.#cause = cause
    this.#tell()
  }

  #tell(): void {
    const { holds } = this
    if (holds === this.#held) return
    this.#held = holds
    for (const listener of this.#listeners) listener()
  }
}
