import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from '../../protocol/core/errors.ts'
import { RUNTIME_LINGER_MS_MAX } from '../../protocol/core/runtime-limits.ts'
import { type Engine, isStatus } from '../execute/engine.ts'
import { killAll, lingering, processesOf } from './container-processes.ts'

const POLL_MS = 100
/** Its clean-up of what was killed may hang as well, and be killed. */
const FORCE_FACTOR = 4

/**
 * Containers of trials, and what their runtime has left of them on this host: a start that failed
 * leaves gVisor's processes behind, for as long as nobody ends them. Each is noted in a folder
 * before it starts, so that an agent that is killed in the middle leaves its next process word of
 * them: the engine knows nothing of such processes once their container is gone.
 */
export class Leftovers {
  readonly #engine: Pick<Engine, 'remove'>
  readonly #dir: string

  constructor(engine: Pick<Engine, 'remove'>, dir: string) {
    this.#engine = engine
    this.#dir = dir
  }

  /** Before it is started. Rejects where it cannot be noted. */
  async add(container: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true })
    await writeFile(join(this.#dir, container), '')
  }

  /**
   * Removes all that is noted. Says what did not go by itself; undefined for nothing. Never
   * rejects; what could not be ended stays noted.
   */
  async clear(): Promise<string | undefined> {
    const words: string[] = []
    for (const container of await readdir(this.#dir).catch(() => [])) {
      words.push(...(await this.#clear(container)))
      if (processesOf(container).length > 0) continue
      await rm(join(this.#dir, container), { force: true }).catch(() => undefined)
    }
    return words.length === 0 ? undefined : words.join('; ')
  }

  async #clear(container: string): Promise<readonly string[]> {
    // An engine that waits for a runtime that hangs does not remove what that one is to start.
    const failure = await this.#removed(container)
    const left = await lingering(container, RUNTIME_LINGER_MS_MAX)
    if (failure === undefined && left.length === 0) return []
    const stays = await this.#force(container)
    const pids = left.map(({ pid }) => pid).join(', ')
    return [
      ...(left.length === 0 ? [] : [`it left processes behind (${pids})`]),
      ...(stays === undefined ? [] : [stays])
    ]
  }

  /** Kills what the engine starts and waits for, until it has removed the container. */
  async #force(container: string): Promise<string | undefined> {
    const endMs = performance.now() + RUNTIME_LINGER_MS_MAX * FORCE_FACTOR
    let failure: string | undefined
    const removing = { over: false }
    const remove = async (): Promise<void> => {
      do {
        failure = await this.#removed(container)
      } while (failure !== undefined && performance.now() < endMs)
      removing.over = true
    }
    const done = remove()
    let alive = true
    while ((alive || !removing.over) && performance.now() < endMs) {
      killAll(container)
      await sleep(POLL_MS)
      alive = processesOf(container).length > 0
    }
    await done
    if (failure !== undefined) return `its container cannot be removed: ${failure}`
    return alive ? 'they cannot be ended by this user' : undefined
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
