import { MOVE_AFTER_MS } from '../../protocol/core/roster-limits.ts'

/** Who is there, as one member knows by its connections. */
export interface PeerSight {
  /** At every look of the member: who is away since when. */
  note(peers: readonly string[], nowMs: number): void
  /** Milliseconds that a peer has been away; 0 while it is linked. */
  awayMs(peer: string, nowMs: number): number
  /** The member's process has ended. */
  forget(): void
}

/** Take-over times after which a witness is away for long, in place of ten minutes. */
const AWAY_TAKE_OVERS = 2

export function awayAfterMs(takeOverMs: number): number {
  return AWAY_TAKE_OVERS * takeOverMs
}

/** Of the times of worlds without absences: nobody is ever away for long. */
export class BriefSight implements PeerSight {
  readonly #isHere: (peer: string) => boolean

  constructor(isHere: (peer: string) => boolean) {
    this.#isHere = isHere
  }

  note(): void {}

  forget(): void {}

  awayMs(peer: string): number {
    return this.#isHere(peer) ? 0 : 1
  }
}

/** As production's Mover keeps it; the few seconds that an absence takes here count as its time. */
export class LinkSight implements PeerSight {
  readonly #isLinked: (peer: string) => boolean
  readonly #addedMs: number
  #away = new Map<string, number>()

  constructor(isLinked: (peer: string) => boolean, takeOverMs: number) {
    this.#isLinked = isLinked
    this.#addedMs = MOVE_AFTER_MS - awayAfterMs(takeOverMs)
  }

  note(peers: readonly string[], nowMs: number): void {
    const away = peers.filter((peer) => !this.#isLinked(peer))
    this.#away = new Map(away.map((peer) => [peer, this.#away.get(peer) ?? nowMs]))
  }

  forget(): void {
    this.#away = new Map()
  }

  awayMs(peer: string, nowMs: number): number {
    if (this.#isLinked(peer)) return 0
    const sinceMs = this.#away.get(peer)
    return sinceMs === undefined ? Number.POSITIVE_INFINITY : nowMs - sinceMs + this.#addedMs
  }
}
