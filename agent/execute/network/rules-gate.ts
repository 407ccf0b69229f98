import type { ContainerBody } from '../engine-types.ts'
import type { Firewall } from './firewall.ts'
import { type Gate, type Guarded, onNetwork } from './gate.ts'

/** Rules of the host's kernel, which the bridge of a job meets whatever is on it. */
export class RulesGate implements Gate {
  readonly #firewall: Firewall

  constructor(firewall: Firewall) {
    this.#firewall = firewall
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
    await this.#firewall.open(bridge, openings, onLost)
    return onNetwork(body, network)
  }

  /** They were compared before the bridge was opened, and are again while it is. */
  async prove(): Promise<void> {
    return await Promise.resolve()
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
