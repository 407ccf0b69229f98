import { causeOf, MeshError } from '../../../protocol/core/errors.ts'
import { NETWORK_CHECK_EVERY_MS } from '../../../protocol/core/network-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { HostNetwork } from './host-network.ts'
import type { Nft } from './nft.ts'
import { elementText, RULES, rulesetText } from './ruleset.ts'
import type { TableView } from './table-view.ts'

export interface FirewallParts {
  readonly nft: Nft
  readonly host: Pick<HostNetwork, 'interfaces'>
  readonly clock: Clock
  readonly log: Log
}

/**
 * The host's rules for the bridges of jobs, and what each bridge may reach beside them. Other
 * agents of this host share the table: what theirs may reach is left as it is. It stays when the
 * agent ends, since jobs may live on. `check` and `open` throw NETWORK_UNENFORCED where the rules
 * cannot be had.
 */
export class Firewall {
  readonly #parts: FirewallParts
  /** Elements of the bridges of this process. */
  readonly #own = new Map<string, readonly string[]>()
  /** Of the table as the kernel listed it after it was put in place. */
  #fingerprint: string | undefined
  #work: Promise<unknown> = Promise.resolve()
  #disarm: (() => void) | undefined

  constructor(parts: FirewallParts) {
    this.#parts = parts
  }

  /** Resolves once the rules are in place, put back where somebody took them away. */
  async check(): Promise<void> {
    await this.#alone(() => this.#ensure())
  }

  /** Before a container is on the bridge: the rules, and what this one may reach. */
  async open(bridge: string, elements: readonly string[]): Promise<void> {
    this.#own.set(bridge, elements)
    await this.#alone(() => this.#ensure())
    this.#watch()
  }

  /** Once the bridge is gone. Never rejects. */
  async close(bridge: string): Promise<void> {
    this.#own.delete(bridge)
    if (this.#own.size === 0) this.stop()
    await this.#alone(() => this.#prune()).catch((error: unknown) => {
      // Of a bridge that never comes back: they open nothing, and the next close tries again.
      this.#parts.log.warn({ bridge, err: error }, 'rules of a bridge left')
    })
  }

  /** Looks no more; the rules stay. */
  stop(): void {
    this.#disarm?.()
    this.#disarm = undefined
  }

  async #ensure(): Promise<void> {
    const { nft, log } = this.#parts
    const found = await nft.list()
    if (found === undefined || found.fingerprint !== this.#fingerprint) {
      // At the start nothing is known yet: another version's rules are replaced as well.
      if (this.#fingerprint !== undefined) log.warn({}, 'rules of job networks put back')
      await nft.apply(rulesetText(await this.#wanted(found)))
      const made = await nft.list()
      const expected = this.#fingerprint ?? made?.fingerprint
      if (made?.rules !== RULES || made.fingerprint !== expected) {
        throw new Error(`the table has ${made?.rules ?? 0} rules after it was made, not ${RULES}`)
      }
      this.#fingerprint = made.fingerprint
      return
    }
    const there = new Set(found.elements.map(({ text }) => text))
    const missing = [...this.#own.values()].flat().filter((text) => !there.has(normal(text)))
    if (missing.length > 0) await nft.apply(elementText('add', missing).join('\n'))
  }

  /** What is ours, and what is others' and of a bridge that there still is. */
  async #wanted(found: TableView | undefined): Promise<readonly string[]> {
    const interfaces = await this.#parts.host.interfaces()
    const others = (found?.elements ?? []).filter(
      ({ bridge }) => !this.#own.has(bridge) && interfaces.has(bridge)
    )
    return [...[...this.#own.values()].flat(), ...others.map(({ text }) => text)]
  }

  /** Elements outlive their bridge where an agent was killed between the two. */
  async #prune(): Promise<void> {
    const { nft, host } = this.#parts
    const found = await nft.list()
    const interfaces = await host.interfaces()
    const dead = (found?.elements ?? []).filter(
      ({ bridge }) => !this.#own.has(bridge) && !interfaces.has(bridge)
    )
    if (dead.length === 0) return
    await nft.apply(
      elementText(
        'delete',
        dead.map(({ text }) => text)
      ).join('\n')
    )
  }

  #watch(): void {
    if (this.#disarm !== undefined || this.#own.size === 0) return
    this.#disarm = this.#parts.clock.arm(NETWORK_CHECK_EVERY_MS, () => {
      this.#disarm = undefined
      void this.check()
        .catch((error: unknown) => this.#parts.log.error({ err: error }, 'rules not checked'))
        .finally(() => this.#watch())
    })
  }

  /** One after the other: what is listed must still be so when it is changed. */
  async #alone(work: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(work)
    this.#work = turn.catch(() => undefined)
    try {
      await turn
    } catch (error) {
      throw new MeshError('NETWORK_UNENFORCED', { cause: causeOf(error) }, { cause: error })
    }
  }
}

/** The kernel lists a block of one address without its prefix. */
function normal(text: string): string {
  return text.replace('/32 ', ' ')
}
