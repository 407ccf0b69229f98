import type { ContainerBody } from '../engine-types.ts'
import { type Denied, deniedOpenings } from './denied.ts'
import type { Firewall } from './firewall.ts'
import { type Gate, type Guarded, onNetwork } from './gate.ts'

/** Rules of the host's kernel, which the bridge of a job meets whatever is on it. */
export class RulesGate implements Gate {
  readonly #firewall: Firewall
  readonly #denied: Denied

  /** `denied` by the owner of this agent; the rules are those of all agents of the host. */
  constructor(firewall: Firewall, denied: Denied = []) {
    this.#firewall = firewall
    this.#denied = denied
  }

  get lost(): string | undefined {
    return this.#firewall.lost
  }

  onChange(listener: () => void): void {
    this.#firewall.onChange(listener)
  }

  async check(): Promise<void> {
    await this.#firewall.check()
  }

  async open(network: Guarded, body: ContainerBody): Promise<ContainerBody> {
    return await this.adopt(network, body)
  }

  async adopt(network: Guarded, body: ContainerBody): Promise<ContainerBody> {
    const { bridge, openings, onLost } = network
    const all = [...openings, ...deniedOpenings(bridge, this.#denied)]
    await this.#firewall.open(bridge, all, onLost)
    return onNetwork(body, network)
  }

  /**
   * They were compared before the bridge was opened, and are again while it is. Once more here: an
   * agent beside this one, which has just put them in place, may not have seen yet what was added.
   */
  async prove(): Promise<void> {
    await this.#firewall.check()
  }

  async leave(): Promise<void> {
    return await Promise.resolve()
  }

  async close({ bridge }: Guarded): Promise<void> {
    await this.#firewall.close(bridge)
  }

  stop(): void {
    this.#firewall.stop()
  }
}
