import { causeOf } from '../../protocol/core/errors.ts'
import { FORGE_NUMBER_EVERY_MS, FORGE_NUMBER_MS_MAX } from '../../protocol/core/forge-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Repository } from '../repositories.ts'
import type { ForgeApis } from './forge-apis.ts'

export interface RepositoryNumbersParts {
  readonly apis: Pick<ForgeApis, 'of'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
}

interface Known {
  /** As the forge says; undefined where it has not said. */
  readonly number: string | undefined
  /** Monotonic clock. */
  readonly askedAtMs: number
}

/**
 * The forge's own number of each declared repository. Runs are named after it, and a delivery says
 * it: whoever has the secret of one repository could name the runs of another with it, so that the
 * other's own pushes would be duplicates.
 */
export class RepositoryNumbers {
  readonly #parts: RepositoryNumbersParts
  /** By URL of the entry. */
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Promise<string | undefined>>()

  constructor(parts: RepositoryNumbersParts) {
    this.#parts = parts
  }

  /** What the forge said once: a delivery that says another one has it asked anew. */
  learn(url: string, number: string): void {
    if (this.#known.get(url)?.number !== undefined) return
    this.#known.set(url, { number, askedAtMs: Number.NEGATIVE_INFINITY })
  }

  /**
   * What is wrong with the number that a delivery says, undefined for nothing. Where the forge does
   * not tell, it must at least not be another entry's. Never rejects.
   */
  async problem(repository: Repository, claimed: string | undefined): Promise<string | undefined> {
    const { name, url } = repository
    if (claimed === undefined || this.#known.get(url)?.number === claimed) return undefined
    const number = await this.#ask(repository)
    if (number === claimed) return undefined
    const says = `its body has number ${claimed} for ${name}`
    if (number !== undefined) return `${says}, and its forge says ${number}`
    const { host } = new URL(url)
    for (const [other, known] of this.#known) {
      const isTaken = known.number === claimed && other !== url && new URL(other).host === host
      if (isTaken) return `${says}, which is that of ${other}`
    }
    return undefined
  }

  /** Once for all that ask at a time, and not again for a while: a flood must not reach the API. */
  async #ask(repository: Repository): Promise<string | undefined> {
    const { url } = repository
    const known = this.#known.get(url)
    const nowMs = this.#parts.clock.monotonicMs()
    if (known !== undefined && nowMs - known.askedAtMs < FORGE_NUMBER_EVERY_MS) return known.number
    const asked = this.#asking.get(url) ?? this.#askForge(repository, known?.number)
    this.#asking.set(url, asked)
    return await asked.finally(() => this.#asking.delete(url))
  }

  async #askForge(repository: Repository, before: string | undefined): Promise<string | undefined> {
    const { apis, clock, log } = this.#parts
    const { name, url } = repository
    let number = before
    try {
      // Whoever delivers waits for the answer.
      const signal = AbortSignal.timeout(FORGE_NUMBER_MS_MAX)
      number = (await apis.of(repository)?.repositoryId(signal)) ?? before
    } catch (error) {
      log.debug({ repository: name, cause: causeOf(error) }, 'number of the repository not known')
    }
    this.#known.set(url, { number, askedAtMs: clock.monotonicMs() })
    return number
  }
}
