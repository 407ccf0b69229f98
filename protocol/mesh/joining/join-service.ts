import { MeshError } from '../../core/errors.ts'
import type { Invite } from '../../core/invite.ts'
import { JOIN_ASKS_BURST, JOINS_PENDING_MAX } from '../../core/join-limits.ts'
import { MEMBERS_MAX } from '../../core/limits.ts'
import { addressesOf, isMemberAddress, isMemberName } from '../../core/member-fields.ts'
import type { Clock } from '../../core/ports.ts'
import type { Role, SealedRoster } from '../../core/roster.ts'
import type { Log } from '../../host/log.ts'
import {
  decodeJoinClaim,
  decodeJoinRequest,
  encodeJoinReply,
  type JoinClaim,
  type JoinRefusal,
  type JoinReply,
  type JoinRequest
} from '../../wire/join-codec.ts'
import { isJoinMac } from '../../wire/join-proof.ts'
import { WorkMeter } from '../bounds/work-meter.ts'
import type { RequestHandler } from '../links/request-server.ts'
import type { InviteBook } from './invite-book.ts'

/** A host with all that its entry in the roster needs. */
export interface Newcomer {
  readonly peerId: string
  readonly storeId: string
  readonly name: string
  readonly roles: readonly Exclude<Role, 'witness'>[]
  readonly addresses: readonly string[]
  readonly isWitness: boolean
}

/** Whoever holds the authority's key. */
export interface Admitter {
  /** Why it would not admit it, before anything is done about it. */
  problemOf(newcomer: Newcomer): Promise<'name_taken' | 'not_admitted' | undefined>
  /** Signs the roster with it and hands it to the book. */
  admit(newcomer: Newcomer): Promise<SealedRoster>
}

export interface JoinServiceParts {
  readonly self: string
  readonly invites: InviteBook
  readonly roster: () => SealedRoster | undefined
  /** Multiaddr of the other end of a peer's connection. */
  readonly seen: (peerId: string) => string | undefined
  readonly admitter: Admitter
  readonly clock: Clock
  readonly log: Log
}

/** Answers who wants to join with an invite; each in its turn. */
export class JoinService {
  readonly #parts: JoinServiceParts
  /** Asks of one peer, and lines of the log: a stranger must fill neither the queue nor a disk. */
  readonly #asks: WorkMeter
  readonly #lines: WorkMeter
  #pending = 0
  /** Two newcomers of one name must not both find it free. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(parts: JoinServiceParts) {
    this.#parts = parts
    const rate = { unitsPerS: 1, burstUnits: JOIN_ASKS_BURST }
    this.#asks = new WorkMeter(parts.clock, { ...rate, peersMax: MEMBERS_MAX })
    this.#lines = new WorkMeter(parts.clock, { ...rate, peersMax: 1 })
  }

  /** For PROTOCOLS.join. */
  readonly handle: RequestHandler = async (remote, body) => {
    if (!this.#asks.take(remote, 1)) {
      throw new MeshError('OVERLOADED', { what: 'what one host may ask', max: JOIN_ASKS_BURST })
    }
    const request = decodeJoinRequest(body, remote)
    const claim = decodeJoinClaim(request.claim, remote)
    if (this.#pending >= JOINS_PENDING_MAX) {
      throw new MeshError('OVERLOADED', { what: 'the queue of joiners', max: JOINS_PENDING_MAX })
    }
    this.#pending += 1
    const turn = this.#tail.then(() => this.#answer(remote, request, claim))
    this.#tail = turn.catch(() => undefined)
    try {
      return encodeJoinReply(await turn)
    } finally {
      this.#pending -= 1
    }
  }

  async #answer(remote: string, request: JoinRequest, claim: JoinClaim): Promise<JoinReply> {
    const reply = await this.#decide(remote, request, claim)
    const { log } = this.#parts
    // The invite's id is no secret, and neither is the name: this is what an operator looks for.
    const facts = { peer: remote, invite: claim.invite, name: claim.name }
    if (reply.kind === 'admitted') log.info(facts, 'joiner admitted')
    else if (this.#lines.take('', 1)) log.warn({ ...facts, reason: reply.reason }, 'joiner refused')
    return reply
  }

  async #decide(remote: string, request: JoinRequest, claim: JoinClaim): Promise<JoinReply> {
    const { invites, self, admitter } = this.#parts
    const invite = invites.find(claim.invite)
    const peers = { inviter: self, joiner: remote }
    const isProven =
      invite?.secret !== undefined && isJoinMac(request.mac, invite.secret, peers, request.claim)
    const isMember = this.#current(remote) !== undefined
    // Only to one who has the secret: what is wrong with its name is no business of a stranger.
    if (isProven || (invite?.usedBy === remote && !isMember)) {
      const problem = await this.#problemOf(remote, claim)
      if (problem !== undefined) return { kind: 'refused', reason: problem }
    }
    const answer = await invites.take({
      id: claim.invite,
      peerId: remote,
      joiner: claim.joiner,
      isProven,
      isMember
    })
    switch (answer.kind) {
      case 'refused':
        return answer
      case 'again':
        return { kind: 'admitted', roster: this.#current(remote) ?? new Uint8Array(0) }
      default: {
        const sealed = await admitter.admit(this.#newcomer(remote, claim, answer.invite))
        return { kind: 'admitted', roster: sealed.bytes }
      }
    }
  }

  /** Looked at before the invite is burned: with a better name it must still be good. */
  async #problemOf(remote: string, claim: JoinClaim): Promise<JoinRefusal | undefined> {
    const newcomer = this.#newcomer(remote, claim, { roles: ['agent'], isWitness: false })
    if (newcomer.addresses.length === 0) return 'address_absent'
    const isUsable = isMemberName(claim.name) && newcomer.addresses.every(isMemberAddress)
    return isUsable ? await this.#parts.admitter.problemOf(newcomer) : 'not_admitted'
  }

  #newcomer(
    remote: string,
    claim: JoinClaim,
    { roles, isWitness }: Pick<Invite, 'roles' | 'isWitness'>
  ): Newcomer {
    const addresses = addressesOf(claim, this.#parts.seen(remote))
    const { name, storeId } = claim
    return { peerId: remote, storeId, name, roles, addresses, isWitness }
  }

  /** The current roster's bytes where it names that peer. */
  #current(peerId: string): Uint8Array | undefined {
    const sealed = this.#parts.roster()
    return sealed?.roster.members.some((member) => member.peerId === peerId)
      ? sealed.bytes
      : undefined
  }
}
