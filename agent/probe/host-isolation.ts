import type { Isolation, IsolationLevel } from '../../protocol/core/isolation.ts'
import type { EngineSettings } from '../execute/engine-types.ts'
import { levelsOf, type OfferedRuntime } from '../execute/runtime.ts'
import { isolationOf } from '../execute/user-namespace.ts'

/**
 * What this host gives to jobs now: what the engine says of itself, and what its runtimes have
 * shown. Nothing that was shown outlives the engine that showed it.
 */
export class HostIsolation implements Isolation {
  readonly required: IsolationLevel | undefined
  #offered: IsolationLevel
  #settings: string
  #runtimes: readonly OfferedRuntime[] = []

  constructor(info: EngineSettings, required: IsolationLevel | undefined) {
    this.required = required
    this.#offered = isolationOf(info)
    this.#settings = settingsOf(info)
  }

  get offered(): IsolationLevel {
    return this.#offered
  }

  get levels(): readonly IsolationLevel[] {
    return levelsOf(this.#runtimes)
  }

  /** Those that have shown what they are: none until they were tried. */
  get runtimes(): readonly OfferedRuntime[] {
    return this.#runtimes
  }

  /** As it is now: what is sent must not change on its way. */
  get now(): Isolation {
    const { offered, levels, required } = this
    return { offered, levels, required }
  }

  shown(runtimes: readonly OfferedRuntime[]): void {
    this.#runtimes = runtimes
  }

  /** Those that this engine has shown; none where it is another by now. */
  shownBy(engine: EngineSettings): readonly OfferedRuntime[] {
    return settingsOf(engine) === this.#settings ? this.#runtimes : []
  }

  /** True where the engine is another than it was: its runtimes have shown nothing then. */
  isNews(info: EngineSettings): boolean {
    const settings = settingsOf(info)
    if (settings === this.#settings) return false
    this.#settings = settings
    this.#offered = isolationOf(info)
    this.#runtimes = []
    return true
  }
}

/** A runtime of the same name with other arguments may keep no limit any more. */
function settingsOf({ security, rootDir, version, runtimes }: EngineSettings): string {
  return JSON.stringify([[...security].sort(), rootDir, version, runtimes])
}
