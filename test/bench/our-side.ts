import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { memberEntry, rosterOf } from '../support/mesh-nodes.ts'
import { Child } from './child.ts'
import type { WindowResult } from './window.ts'

const WITNESSES = 3
/** Leases held, and times that each is renewed, in the stretch in which syncs are counted. */
const LEASES_HELD = 20
const RENEWALS_EACH = 50
/** Milliseconds without a sync after which the stores are at rest, and looks until then. */
const SETTLE_MS = 300
const SETTLE_LOOKS_MAX = 50

interface Enrolled {
  readonly peerId: string
  readonly storeId: string
  readonly addresses: readonly string[]
}

/** What does job cycles. */
export interface Side {
  window(options: { inFlight: number; ms: number }): Promise<WindowResult>
  cpuUs(): Promise<number>
}

/** Three witnesses, and the gateways and agents that drive them, each in a process of its own. */
export class OurSide implements Side {
  readonly #witnesses: readonly Child[]
  readonly #agents: Child

  private constructor(witnesses: readonly Child[], agents: Child) {
    this.#witnesses = witnesses
    this.#agents = agents
  }

  static async start(
    dir: string,
    profileDir: string | undefined,
    ends: (() => Promise<void>)[]
  ): Promise<OurSide> {
    const start = (file: string): Child => {
      const child = new Child(file, profileDir)
      ends.push(() => child.end())
      return child
    }
    const witnesses = Array.from({ length: WITNESSES }, () => start('witness'))
    const agents = start('agents')
    const authority = generateKey()
    const enrol = (child: Child, name: string): Promise<Enrolled[]> => {
      return child.call('start', { dir: join(dir, name), authority: authority.peerId })
    }
    const found = await Promise.all(witnesses.map((child, index) => enrol(child, `w${index}`)))
    const asWitness = ['witness'] as const
    const asClient = ['gateway', 'agent'] as const
    const members = [
      ...found
        .flat()
        .map(({ peerId, ...rest }) => memberEntry(peerId, { ...rest, roles: asWitness })),
      ...(await enrol(agents, 'agents')).map(({ peerId, ...rest }) => {
        return memberEntry(peerId, { ...rest, roles: asClient })
      })
    ]
    const sealed = sealRoster(authority, rosterOf(authority, members, { lease: 'default' }))
    const hex = Buffer.from(sealed.bytes).toString('hex')
    await Promise.all([...witnesses, agents].map((child) => child.call('roster', hex)))
    await agents.call('linked', WITNESSES)
    return new OurSide(witnesses, agents)
  }

  window(options: { inFlight: number; ms: number }): Promise<WindowResult> {
    return this.#agents.call('window', options)
  }

  async cpuUs(): Promise<number> {
    return sum(await this.cpuEach())
  }

  /** Of each witness, and last of the agents. */
  async cpuEach(): Promise<readonly number[]> {
    return await Promise.all([...this.#witnesses, this.#agents].map((one) => one.cpuUs()))
  }

  async fsyncsPerRenewal(): Promise<number> {
    await this.#agents.call('hold', LEASES_HELD)
    // The last accept of a claim may still be on its way to the witness that no quorum waited for.
    const before = await this.#settledSyncs()
    const renewals = await this.#agents.call<number>('renewals', RENEWALS_EACH)
    const after = await this.#syncs()
    await this.#agents.call('release')
    return (after - before) / renewals
  }

  async #settledSyncs(): Promise<number> {
    let before = Number.NaN
    for (let looks = 0; looks < SETTLE_LOOKS_MAX; looks += 1) {
      const now = await this.#syncs()
      if (now === before) return now
      before = now
      await setTimeout(SETTLE_MS)
    }
    throw new Error('the stores do not come to rest')
  }

  async #syncs(): Promise<number> {
    return sum(await Promise.all(this.#witnesses.map((one) => one.call<number>('syncs'))))
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
