import { type Advertisement, type BootHeard, hearBoot } from './advertisement.ts'
import { MEMBERS_MAX } from './limits.ts'
import { type AgentView, type LinkState, observe } from './observation.ts'

interface Heard {
  readonly advertisement: Advertisement
  readonly heardAtMs: number
  readonly boots: readonly BootHeard[]
}

/** Every agent that one observer has heard, at most MEMBERS_MAX: the longest silent goes first. */
export class Sightings {
  readonly #heard = new Map<string, Heard>()
  readonly #links = new Map<string, 'up' | 'down'>()

  /** False where the advertisement is no news; `bootMs` is the observer's boot clock. */
  hear(advertisement: Advertisement, bootMs: number): boolean {
    const { peerId, boot, sequence } = advertisement
    const boots = hearBoot(this.#heard.get(peerId)?.boots ?? [], { boot, sequence })
    if (boots === undefined) return false
    // Deleting first keeps the map in order of the last word, which is the order of leaving it.
    this.#heard.delete(peerId)
    this.#heard.set(peerId, { advertisement, heardAtMs: bootMs, boots })
    dropFirst(this.#heard)
    return true
  }

  /** `down` means that every connection to the peer is gone. */
  link(peerId: string, state: 'up' | 'down'): void {
    this.#links.delete(peerId)
    this.#links.set(peerId, state)
    dropFirst(this.#links)
  }

  forget(peerId: string): void {
    this.#heard.delete(peerId)
    this.#links.delete(peerId)
  }

  /** Undefined for an agent that was never heard. */
  view(peerId: string, bootMs: number): AgentView | undefined {
    const heard = this.#heard.get(peerId)
    if (heard === undefined) return undefined
    const { advertisement, heardAtMs } = heard
    const link: LinkState = this.#links.get(peerId) ?? 'none'
    const sighting = { advertisement, heardAtMs, link }
    return { ...sighting, observed: observe(sighting, bootMs) }
  }

  /** By name, then by peer id. */
  views(bootMs: number): readonly AgentView[] {
    const views = [...this.#heard.keys()]
      .map((peerId) => this.view(peerId, bootMs))
      .filter((view) => view !== undefined)
    return views.sort(byName)
  }
}

function byName(a: AgentView, b: AgentView): number {
  const [left, right] = [a.advertisement, b.advertisement]
  if (left.name !== right.name) return left.name < right.name ? -1 : 1
  return left.peerId < right.peerId ? -1 : 1
}

function dropFirst(map: Map<string, unknown>): void {
  if (map.size <= MEMBERS_MAX) return
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}
