import type { Clock } from '../../protocol/core/ports.ts'
import { ENGINE_LOOK_EVERY_MS } from '../../protocol/core/runtime-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Engine } from '../execute/engine.ts'
import type { HostIsolation } from './host-isolation.ts'

export interface EngineWatchParts {
  readonly engine: Pick<Engine, 'info'>
  readonly isolation: Pick<HostIsolation, 'isNews' | 'offered' | 'runtimes'>
  /** Tries the engine's runtimes anew. Never rejects. */
  readonly tryRuntimes: (signal: AbortSignal) => Promise<void>
  /** What this host offers is another. */
  readonly onChange: () => void
  readonly clock: Clock
  readonly log: Log
}

/**
 * Looks now and then whether the engine is still the one whose runtimes have shown what they are:
 * its owner may start it again with others. What is gone is not offered from then on.
 */
export class EngineWatch {
  readonly #parts: EngineWatchParts
  readonly #stop = new AbortController()
  #disarm: (() => void) | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(parts: EngineWatchParts) {
    this.#parts = parts
  }

  start(): void {
    if (this.#stop.signal.aborted) return
    this.#disarm = this.#parts.clock.arm(ENGINE_LOOK_EVERY_MS, () => {
      this.#looking = this.#look().finally(() => this.start())
    })
  }

  /** Nobody waits for it: an engine that hangs must not keep the leases from being given back. */
  stop(): void {
    this.#stop.abort()
    this.#disarm?.()
  }

  /** Resolves once no look is under way. */
  async idle(): Promise<void> {
    await this.#looking
  }

  async #look(): Promise<void> {
    const { engine, isolation, tryRuntimes, onChange, log } = this.#parts
    // An engine that is away is asked again: jobs find out themselves.
    const info = await engine.info().catch(() => undefined)
    const { signal } = this.#stop
    if (info === undefined || signal.aborted || !isolation.isNews(info)) return
    log.warn({ offered: isolation.offered }, 'the engine is another: its runtimes are tried anew')
    onChange()
    await tryRuntimes(signal)
    if (signal.aborted) return
    log.info({ runtimes: isolation.runtimes }, 'runtimes tried')
    onChange()
  }
}
