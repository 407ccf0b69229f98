import type { Clock } from '../core/ports.ts'
import type { Member, SealedRoster } from '../core/roster.ts'
import type { RosterView } from './roster-book.ts'

/**
 * `member` may do all that its roles allow; `roster_only` may connect and speak the roster
 * protocol; `none` is cut off after Noise has shown who it is.
 */
export type Standing = 'member' | 'roster_only' | 'none'

interface Index {
  readonly sealed: SealedRoster
  readonly members: ReadonlyMap<string, Member>
}

/** Who may do what on this node, by the current roster and the wall clock. */
export class Admission {
  readonly #rosters: RosterView
  readonly #clock: Clock
  readonly #self: string
  #index: Index | undefined

  constructor(rosters: RosterView, clock: Clock, self: string) {
    this.#rosters = rosters
    this.#clock = clock
    this.#self = self
  }

  of(peerId: string): Standing {
    const index = this.#current()
    // Whoever comes may bring the first roster; the pinned authority's signature decides on it.
    if (index === undefined) return 'roster_only'
    const member = index.members.get(peerId)
    if (member === undefined) return 'none'
    if (this.#isValid(member)) return 'member'
    return this.#isOutdated(index) ? 'roster_only' : 'none'
  }

  isMember(peerId: string): boolean {
    return this.of(peerId) === 'member'
  }

  /** All valid members but this one. */
  others(): readonly Member[] {
    const members = this.#current()?.members ?? new Map<string, Member>()
    return [...members.values()].filter(
      (member) => member.peerId !== this.#self && this.#isValid(member)
    )
  }

  /**
   * Members that may be dialled: all others, lapsed ones too where only they can bring a roster.
   */
  reachable(): readonly Member[] {
    const members = this.#current()?.members ?? new Map<string, Member>()
    return [...members.values()].filter(
      (member) => member.peerId !== this.#self && this.of(member.peerId) !== 'none'
    )
  }

  #isValid(member: Member): boolean {
    return this.#clock.wallMs() < member.notAfterMs
  }

  /**
   * True when this roster has lapsed for us, or for everyone else: a host that was away while the
   * entries were renewed. Were it to deny them all, no one could ever bring it the renewed roster.
   */
  #isOutdated(index: Index): boolean {
    const self = index.members.get(this.#self)
    if (self !== undefined && !this.#isValid(self)) return true
    for (const member of index.members.values()) {
      if (member.peerId !== this.#self && this.#isValid(member)) return false
    }
    return true
  }

  #current(): Index | undefined {
    const sealed = this.#rosters.current()
    if (sealed === undefined) return undefined
    if (this.#index?.sealed === sealed) return this.#index
    const revoked = new Set(sealed.roster.revoked)
    const members = new Map<string, Member>()
    for (const member of sealed.roster.members) {
      if (!revoked.has(member.peerId)) members.set(member.peerId, member)
    }
    this.#index = { sealed, members }
    return this.#index
  }
}
