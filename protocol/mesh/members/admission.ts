import type { Clock } from '../../core/ports.ts'
import type { Member, SealedRoster } from '../../core/roster.ts'
import { Guests, type Introductions } from './door.ts'
import type { RosterView } from './roster-book.ts'

/**
 * `member` may do all that its roles allow; `roster_only` may connect and speak the roster
 * protocol; `guest` and `inviter` the join protocol, each from its side; `none` is cut off after
 * Noise has shown who it is.
 */
export type Standing = 'member' | 'roster_only' | 'guest' | 'inviter' | 'none'

interface Index {
  readonly sealed: SealedRoster
  readonly members: ReadonlyMap<string, Member>
}

/** Who may do what on this node, by the current roster and the wall clock. */
export class Admission {
  readonly #rosters: RosterView
  readonly #clock: Clock
  readonly #self: string
  readonly #introductions: Introductions
  readonly guests = new Guests()
  #index: Index | undefined

  constructor(rosters: RosterView, clock: Clock, self: string, introductions: Introductions = {}) {
    this.#rosters = rosters
    this.#clock = clock
    this.#self = self
    this.#introductions = introductions
  }

  of(peerId: string): Standing {
    const standing = this.ofNewcomer(peerId)
    return standing === 'none' && this.guests.has(peerId) && !this.#isRevoked(peerId)
      ? 'guest'
      : standing
  }

  /** The same for a connection that is just coming in: what it was let in for before is over. */
  ofNewcomer(peerId: string): Standing {
    const { door, inviter } = this.#introductions
    // It has a join string and nothing else: nobody but its sender is to be trusted with a word.
    if (inviter !== undefined) return peerId === inviter.peerId ? 'inviter' : 'none'
    const index = this.#current()
    // Whoever comes may bring the first roster; the pinned authority's signature decides on it.
    if (index === undefined) return 'roster_only'
    const member = index.members.get(peerId)
    if (member !== undefined && this.#isValid(member)) return 'member'
    if (member !== undefined && this.#isOutdated(index)) return 'roster_only'
    return door?.isOpen(peerId) === true && !this.#isRevoked(peerId) ? 'guest' : 'none'
  }

  /** A guest comes to us: nobody dials what no roster and no join string names. */
  mayDial(peerId: string): boolean {
    const standing = this.of(peerId)
    return standing !== 'none' && standing !== 'guest'
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
      (member) => member.peerId !== this.#self && this.mayDial(member.peerId)
    )
  }

  /** A host that was thrown out does not come back by an invite. */
  #isRevoked(peerId: string): boolean {
    return this.#current()?.sealed.roster.revoked.includes(peerId) === true
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
