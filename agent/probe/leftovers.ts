import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from '../../protocol/core/errors.ts'
import { RUNTIME_LINGER_MS_MAX } from '../../protocol/core/runtime-limits.ts'
import { type Engine, isStatus } from '../execute/engine.ts'
import { killAll, lingering } from './container-processes.ts'

const POLL_MS = 100

/**
 * Containers of a trial, and what their runtime has left of them on this host: a start that failed
 * leaves gVisor's processes behind, for as long as nobody ends them.
 */
export class Leftovers {
  readonly #engine: Pick<Engine, 'remove'>
  readonly #containers: string[] = []

  constructor(engine: Pick<Engine, 'remove'>) {
    this.#engine = engine
  }

  add(container: string): void {
    this.#containers.push(container)
  }

  /** Removes all of it. Says what did not go by itself; undefined for nothing. Never rejects. */
  async clear(): Promise<string | undefined> {
    const words: string[] = []
    for (const container of this.#containers) words.push(...(await this.#clear(container)))
    return words.length === 0 ? undefined : words.join('; ')
  }

  async #clear(container: string): Promise<readonly string[]> {
    // An engine that waits for a runtime that hangs does not remove what that one is to start.
    const removed = await this.#removed(container)
    const left = await lingering(container, RUNTIME_LINGER_MS_MAX)
    if (removed === undefined && left.length === 0) return []
    const survived = await killAll(container)
    const again = removed === undefined ? undefined : await this.#removed(container)
    const pids = left.map(({ pid }) => pid).join(', ')
    const ended = survived ? 'which this user may not end' : 'which were ended'
    return [
      ...(left.length === 0 ? [] : [`it left processes behind (${pids}), ${ended}`]),
      ...(again === undefined ? [] : [`its container cannot be removed: ${again}`])
    ]
  }

  /** Why it could not be removed; another removal that is under way is waited for. */
  async #removed(container: string): Promise<string | undefined> {
    const endMs = performance.now() + RUNTIME_LINGER_MS_MAX
    for (;;) {
      try {
        await this.#engine.remove(container)
        return undefined
      } catch (error) {
        if (!isStatus(error, 409) || performance.now() >= endMs) return causeOf(error)
        await sleep(POLL_MS)
      }
    }
  }
}
