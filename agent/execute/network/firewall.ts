import { causeOf, MeshError } from '../../../protocol/core/errors.ts'
import {
  NETWORK_CHECK_EVERY_MS,
  NETWORK_FAILURES_MAX
} from '../../../protocol/core/network-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { HostNetwork } from './host-network.ts'
import { type Opening, openingKey } from './openings.ts'
import type { RuleTable, TableView } from './rule-table.ts'

/** Called with NETWORK_UNENFORCED, maybe more than once: nothing may be on this bridge any more. */
export type OnLost = (reason: MeshError) => void

interface Opened {
  readonly openings: readonly Opening[]
  readonly onLost: OnLost
}

export interface FirewallParts {
  readonly table: RuleTable
  readonly host: Pick<HostNetwork, 'interfaces'>
  readonly clock: Clock
  readonly log: Log
}

/**
 * The host's rules for the bridges of jobs, and what each bridge may reach beside them. Other
 * agents of this host share the table: what theirs may reach is left as it is. It stays when the
 * agent ends, since jobs may live on. `check` and `open` throw NETWORK_UNENFORCED where the rules
 * cannot be had; after NETWORK_FAILURES_MAX such failures in a row they are lost until they can.
 */
export class Firewall {
  readonly #parts: FirewallParts
  /** The bridges of this process. */
  readonly #own = new Map<string, Opened>()
  /** Of the table as the kernel listed it after it was put in place. */
  #fingerprint: string | undefined
  #work: Promise<unknown> = Promise.resolve()
  #disarm: (() => void) | undefined
  #isStopped = false
  /** Looks that failed since the last one that did not. */
  #failures = 0
  #lost: string | undefined
  #onChange: () => void = () => undefined

  constructor(parts: FirewallParts) {
    this.#parts = parts
  }

  /** Why no rule can be relied on; undefined while they can. */
  get lost(): string | undefined {
    return this.#lost
  }

  /** Called when `lost` comes or goes; one listener. */
  onChange(listener: () => void): void {
    this.#onChange = listener
  }

  /** Resolves once the rules are in place, put back where somebody took them away. */
  async check(): Promise<void> {
    await this.#alone(() => this.#ensure())
  }

  /** Before a container is on the bridge: the rules, and what this one may reach. */
  async open(bridge: string, openings: readonly Opening[], onLost: OnLost): Promise<void> {
    this.#own.set(bridge, { openings, onLost })
    await this.#alone(() => this.#ensure())
    this.#watch()
  }

  /** Once the bridge is gone. Never rejects. */
  async close(bridge: string): Promise<void> {
    this.#own.delete(bridge)
    if (this.#own.size === 0 && this.#lost === undefined) this.#rest()
    await this.#alone(() => this.#prune()).catch((error: unknown) => {
      // Of a bridge that never comes back: they open nothing, and the next close tries again.
      this.#parts.log.warn({ bridge, err: error }, 'rules of a bridge left')
    })
  }

  /** Looks no more; the rules stay. */
  stop(): void {
    this.#isStopped = true
    this.#rest()
  }

  #rest(): void {
    this.#disarm?.()
    this.#disarm = undefined
  }

  async #ensure(): Promise<void> {
    try {
      await this.#putInPlace()
    } catch (error) {
      this.#failures += 1
      if (this.#failures >= NETWORK_FAILURES_MAX) this.#lose(error)
      throw error
    }
    this.#failures = 0
    if (this.#lost === undefined) return
    this.#lost = undefined
    this.#parts.log.warn({}, 'rules of job networks are there again')
    this.#onChange()
  }

  /** Fails closed: a bridge without rules leads wherever the engine lets it. */
  #lose(error: unknown): void {
    const cause = causeOf(error)
    const isNew = this.#lost === undefined
    this.#lost = cause
    const reason = unenforced(error)
    for (const { onLost } of this.#own.values()) onLost(reason)
    if (!isNew) return
    this.#parts.log.error({ err: error }, 'rules of job networks lost')
    this.#onChange()
    // Nobody else asks for them while nothing is offered.
    this.#watch()
  }

  async #putInPlace(): Promise<void> {
    const { table, log } = this.#parts
    const found = await table.list()
    if (found === undefined || found.fingerprint !== this.#fingerprint) {
      // At the start nothing is known yet: another version's rules are replaced as well.
      if (this.#fingerprint !== undefined) log.warn({}, 'rules of job networks put back')
      await table.lay(await this.#wanted(found))
      const made = await table.list()
      const expected = this.#fingerprint ?? made?.fingerprint
      if (made?.rules !== table.rules || made.fingerprint !== expected) {
        const has = made?.rules ?? 0
        throw new Error(`the table has ${has} rules after it was made, not ${table.rules}`)
      }
      this.#fingerprint = made.fingerprint
      return
    }
    const there = new Set(found.openings.map(openingKey))
    await table.add(this.#openings().filter((opening) => !there.has(openingKey(opening))))
  }

  /** What is ours, and what is others' and of a bridge that there still is. */
  async #wanted(found: TableView | undefined): Promise<readonly Opening[]> {
    const interfaces = await this.#parts.host.interfaces()
    const others = (found?.openings ?? []).filter(
      ({ bridge }) => !this.#own.has(bridge) && interfaces.has(bridge)
    )
    return [...this.#openings(), ...others]
  }

  #openings(): readonly Opening[] {
    return [...this.#own.values()].flatMap(({ openings }) => openings)
  }

  /** Where the engine did not answer its attempt, the reaper has removed the network since. */
  async #forgetGone(): Promise<void> {
    const interfaces = await this.#parts.host.interfaces()
    const gone = [...this.#own.keys()].filter((bridge) => !interfaces.has(bridge))
    for (const bridge of gone) this.#own.delete(bridge)
    if (gone.length > 0) await this.#prune()
  }

  /** Openings outlive their bridge where an agent was killed between the two. */
  async #prune(): Promise<void> {
    const { table, host } = this.#parts
    const found = await table.list()
    const interfaces = await host.interfaces()
    const isDead = ({ bridge }: Opening) => !this.#own.has(bridge) && !interfaces.has(bridge)
    await table.remove((found?.openings ?? []).filter(isDead))
  }

  #watch(): void {
    if (this.#disarm !== undefined || this.#isStopped) return
    if (this.#own.size === 0 && this.#lost === undefined) return
    this.#disarm = this.#parts.clock.arm(NETWORK_CHECK_EVERY_MS, () => {
      this.#disarm = undefined
      void this.check()
        .then(() => this.#alone(() => this.#forgetGone()))
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
      throw unenforced(error)
    }
  }
}

function unenforced(error: unknown): MeshError {
  return new MeshError('NETWORK_UNENFORCED', { cause: causeOf(error) }, { cause: error })
}
