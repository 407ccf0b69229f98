import type { History } from './history.ts'
import { DISK_ENDS, type Host } from './host.ts'
import type { Loss } from './judge.ts'
import type { Ledger } from './ledger.ts'
import { bootMs } from './observer.ts'
import type { Fault, Planned } from './schedule.ts'
import { loseStore, restoreStore } from './store-loss.ts'
import type { World } from './world.ts'

type Pair = readonly [from: string, to: string]
type Doing = (forMs: number) => Promise<'done' | 'skipped'>

export interface NemesisParts {
  readonly world: World
  readonly history: History
  readonly ledger: Ledger
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** Does what the schedule says, when it says it; faults overlap. */
export class Nemesis {
  readonly counts = new Map<string, number>()
  skipped = 0
  readonly setBack = { noticed: 0, unnoticed: 0 }
  /** When which agent was killed, on the clock since boot. */
  readonly losses: Loss[] = []
  readonly #parts: NemesisParts
  readonly #busy = new Set<string>()
  #over = false

  constructor(parts: NemesisParts) {
    this.#parts = parts
  }

  /** Resolves once the last fault is over. */
  async run(schedule: readonly Planned[]): Promise<void> {
    const startedMs = performance.now()
    const running: Promise<void>[] = []
    for (const fault of schedule) {
      await wait(fault.atMs - (performance.now() - startedMs))
      if (this.#over) break
      running.push(this.#do(fault))
    }
    await Promise.all(running)
  }

  /** No further fault begins. */
  stop(): void {
    this.#over = true
  }

  /** Whatever the faults have left: everything is as it was meant to be. */
  async heal(): Promise<void> {
    await this.#parts.world.network.healAll()
    for (const host of this.#parts.world.hosts.values()) {
      host.faults.wallOffsetMs = 0
      host.faults.syncDelayMs = 0
      host.faults.syncFails = false
      host.relay.set({})
      await host.signal('SIGCONT')
    }
  }

  async #do(fault: Planned): Promise<void> {
    const { history } = this.#parts
    const { atMs: _planned, forMs, kind, ...facts } = fault
    history.note(`fault ${kind}`, { forMs, ...facts })
    try {
      const result = await this.#doing(fault)(forMs)
      if (result === 'skipped') {
        this.skipped += 1
        history.note(`skipped ${kind}`)
        return
      }
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
      history.note(`over ${kind}`, facts)
    } catch (error) {
      // A fault that could not be made or mended leaves a run that says nothing.
      history.violation(`fault ${kind} went wrong`, { ...facts, cause: String(error) })
    }
  }

  #doing(fault: Fault): Doing {
    const { world } = this.#parts
    switch (fault.kind) {
      case 'kill':
        return (forMs) => this.#kill([world.host(fault.host)], fault.guardianToo, forMs)
      case 'power':
        return (forMs) =>
          this.#kill(
            fault.hosts.map((name) => world.host(name)),
            true,
            forMs
          )
      case 'pause':
        return (forMs) => this.#pause(world.host(fault.host), forMs)
      case 'isolate':
        return (forMs) => this.#cut(this.#between([fault.host]), forMs)
      case 'split':
        return (forMs) => this.#cut(this.#between(fault.side), forMs)
      case 'deaf':
        return (forMs) =>
          this.#cut(
            fault.to.map((other): Pair => [other, fault.host]),
            forMs
          )
      case 'mute':
        return (forMs) =>
          this.#cut(
            fault.to.map((other): Pair => [fault.host, other]),
            forMs
          )
      case 'relay':
        return async (forMs) => {
          const { relay } = world.host(fault.host)
          relay.set(fault.mode)
          await wait(forMs)
          // Who was half-open hears of it at last.
          relay.set({ cutAll: fault.mode.swallow === true })
          return 'done'
        }
      default:
        return this.#machine(fault)
    }
  }

  /** Disks, clocks, engines and stores. */
  #machine(fault: Fault): Doing {
    const { world } = this.#parts
    switch (fault.kind) {
      case 'slow-disk':
        return (forMs) =>
          this.#with(world.host(fault.host), forMs, (host, on) => {
            host.faults.syncDelayMs = on ? fault.delayMs : 0
          })
      case 'wall-clock':
        return (forMs) =>
          this.#with(world.host(fault.host), forMs, (host, on) => {
            host.faults.wallOffsetMs = on ? fault.offsetMs : 0
          })
      case 'failed-disk':
        return (forMs) =>
          this.#with(world.host(fault.host), forMs, (host, on) => {
            host.excuse('its disk failed', DISK_ENDS)
            host.faults.syncFails = on
          })
      case 'full-disk':
        return (forMs) => this.#fill(fault.host, forMs)
      case 'engine-kill':
      case 'engine-pause':
        return (forMs) => this.#engine(fault, forMs)
      case 'store-deleted':
      case 'store-restored':
        return (forMs) => this.#loseStore(fault, forMs)
      default:
        throw new Error(`nobody does ${fault.kind}`)
    }
  }

  async #kill(hosts: readonly Host[], guardianToo: boolean, forMs: number): Promise<'done'> {
    const atMs = bootMs()
    await Promise.all(hosts.map((host) => host.hold('it was killed')))
    if (guardianToo) for (const host of hosts) host.killGuardian()
    for (const { peerId: peer } of hosts) this.losses.push({ peer, atMs })
    await wait(forMs)
    for (const host of hosts) host.release()
    return 'done'
  }

  async #pause(host: Host, forMs: number): Promise<'done' | 'skipped'> {
    if (!host.isUp) return 'skipped'
    return await this.#alone(`paused ${host.name}`, async () => {
      await host.signal('SIGSTOP')
      await wait(forMs)
      await host.signal('SIGCONT')
    })
  }

  async #cut(pairs: readonly Pair[], forMs: number): Promise<'done'> {
    const { network } = this.#parts.world
    await network.cut(pairs)
    await wait(forMs)
    await network.heal(pairs)
    return 'done'
  }

  /** Both ways between these and all others. */
  #between(side: readonly string[]): readonly Pair[] {
    const others = this.#parts.world.network.names.filter((name) => !side.includes(name))
    return side.flatMap((one) =>
      others.flatMap((other): Pair[] => [
        [one, other],
        [other, one]
      ])
    )
  }

  async #with(host: Host, forMs: number, set: (host: Host, on: boolean) => void): Promise<'done'> {
    set(host, true)
    await wait(forMs)
    set(host, false)
    return 'done'
  }

  async #fill(name: string, forMs: number): Promise<'done' | 'skipped'> {
    const { world } = this.#parts
    const disk = world.disks.get(name)
    if (disk === undefined) return 'skipped'
    return await this.#alone(`disk ${name}`, async () => {
      world.host(name).excuse('its disk was full', DISK_ENDS)
      disk.fill()
      await wait(forMs)
      await disk.free()
      world.host(name).excuse('its disk was full', DISK_ENDS)
    })
  }

  async #engine(fault: Fault & { readonly engine: string }, forMs: number) {
    const engine = this.#parts.world.engine(fault.engine)
    return await this.#alone(`engine ${engine.name}`, async () => {
      const isKill = fault.kind === 'engine-kill'
      await (isKill ? engine.kill() : engine.pause())
      await wait(forMs)
      await (isKill ? engine.start() : engine.resume())
    })
  }

  async #loseStore(fault: Fault & { readonly host: string }, forMs: number) {
    const host = this.#parts.world.host(fault.host)
    return await this.#alone('store', async () => {
      if (fault.kind === 'store-deleted') await loseStore(this.#parts, host, forMs)
      else {
        const noticed = await restoreStore(this.#parts, host, forMs)
        this.setBack[noticed ? 'noticed' : 'unnoticed'] += 1
      }
    })
  }

  async #alone(what: string, task: () => Promise<unknown>): Promise<'done' | 'skipped'> {
    if (this.#busy.has(what)) return 'skipped'
    this.#busy.add(what)
    try {
      return (await task()) === 'skipped' ? 'skipped' : 'done'
    } finally {
      this.#busy.delete(what)
    }
  }
}
