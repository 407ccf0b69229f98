import { backoffMaxMs } from '../../core/backoff.ts'
import { causeOf, codeOf, MeshError } from '../../core/errors.ts'
import { admitsJoiner, type Joiner } from '../../core/invite.ts'
import { JOIN_MS_MAX, JOIN_REQUEST_MS_MAX, JOIN_TRIES_MAX } from '../../core/join-limits.ts'
import type { Reach } from '../../core/member-fields.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { Member, SealedRoster } from '../../core/roster.ts'
import { silentLog } from '../../host/log.ts'
import type { StatePaths } from '../../host/paths.ts'
import { PROTOCOLS } from '../../wire/ids.ts'
import {
  decodeJoinReply,
  encodeJoinClaim,
  encodeJoinRequest,
  type JoinReply
} from '../../wire/join-codec.ts'
import { inviteIdOf, joinMac } from '../../wire/join-proof.ts'
import type { JoinTicket } from '../../wire/join-string.ts'
import type { MeshKey } from '../../wire/keys.ts'
import { openRoster } from '../../wire/roster-codec.ts'
import { pause } from '../bounds/pause.ts'
import { createMeshNode, type MeshNode } from '../links/node.ts'
import { openIdentity } from '../members/identity.ts'
import { RosterBook, type RosterView } from '../members/roster-book.ts'
import { inviteExpired, joinRefusal, otherRole } from './join-refusal.ts'

export interface JoinParts {
  readonly paths: StatePaths
  readonly clock: Clock
  readonly random: Random
}

export interface JoinOrder extends Reach {
  readonly ticket: JoinTicket
  readonly joiner: Joiner
  readonly name: string
}

export interface Joined {
  readonly peerId: string
  readonly storeId: string
  readonly sealed: SealedRoster
  /** This host's entry. */
  readonly member: Member
}

/** A host that joins has no roster yet, and takes none from a connection. */
const NO_ROSTERS: RosterView = {
  current: () => undefined,
  at: () => undefined,
  onChange: () => () => undefined
}
const BACKOFF = { firstMs: 250, maxMs: 2_000 }
const NOT_YET: ReadonlySet<string> = new Set([
  'PEER_UNREACHABLE',
  'REQUEST_TIMED_OUT',
  'OVERLOADED'
])

/**
 * Makes this host a member with a join string: key and store, the request, and then, once the
 * roster has proven to be of the string's mesh and to name this host, the pinned authority and the
 * roster. The state is locked meanwhile, as a daemon locks it. A call after a lost answer ends the
 * same way.
 * Throws STATE_BOUND, STATE_LOCKED, INVITE_*, INVITER_UNREACHABLE, NAME_TAKEN, JOIN_REFUSED.
 */
export async function joinMesh(parts: JoinParts, order: JoinOrder): Promise<Joined> {
  const { ticket, joiner } = order
  const nowMs = parts.clock.wallMs()
  if (!admitsJoiner(ticket.roles, joiner)) throw otherRole({ joiner, roles: ticket.roles })
  if (nowMs >= ticket.expiresMs) throw inviteExpired({ expiresMs: ticket.expiresMs, nowMs })
  const identity = await openIdentity(joiner, parts.paths, ticket.authority)
  try {
    const { key, storeId } = identity
    const reply = await new JoinRequester(parts, key, order, storeId).run()
    if (reply.kind === 'refused') {
      const { roles, expiresMs, inviter } = ticket
      throw joinRefusal(reply.reason, { ...order, roles, expiresMs, inviter, nowMs })
    }
    const { sealed, member } = checkRoster(reply.roster, ticket, key.peerId)
    await identity.pin()
    const book = await RosterBook.open(parts.paths.rosters, ticket.authority, parts.clock)
    await book.offer(sealed.bytes)
    return { peerId: key.peerId, storeId, sealed, member }
  } finally {
    await identity.close()
  }
}

/** Asks the inviter over a node that speaks to nobody else. */
class JoinRequester {
  readonly #parts: JoinParts
  readonly #ticket: JoinTicket
  readonly #body: Uint8Array
  readonly #node: MeshNode
  #isProven = false

  constructor(parts: JoinParts, key: MeshKey, order: JoinOrder, storeId: string) {
    const { ticket, joiner, name, addresses, ports } = order
    const invite = inviteIdOf(ticket.secret)
    const claim = encodeJoinClaim({ invite, joiner, name, storeId, addresses, ports })
    const peers = { inviter: ticket.inviter, joiner: key.peerId }
    this.#parts = parts
    this.#ticket = ticket
    this.#body = encodeJoinRequest({ claim, mac: joinMac(ticket.secret, peers, claim) })
    const onProven = (): void => {
      this.#isProven = true
    }
    const inviter = { peerId: ticket.inviter, addresses: ticket.addresses, onProven }
    const { clock, random } = parts
    this.#node = createMeshNode(
      { key, rosters: NO_ROSTERS, clock, random, log: silentLog(), inviter },
      { listen: [], announce: [], gossip: false }
    )
  }

  async run(): Promise<JoinReply> {
    await this.#node.start()
    try {
      return await this.#askUntilAnswered()
    } finally {
      await this.#node.stop()
    }
  }

  async #askUntilAnswered(): Promise<JoinReply> {
    const { clock } = this.#parts
    const endMs = clock.bootMs() + JOIN_MS_MAX
    for (let tries = 1; ; tries++) {
      try {
        return await this.#ask()
      } catch (error) {
        const code = refusalOf(error) ?? ''
        if (!NOT_YET.has(code)) throw this.#failure(error)
        // Tried again: a place at the door may be taken, an answer may be lost on its way.
        if (tries >= JOIN_TRIES_MAX || clock.bootMs() >= endMs) throw this.#failure(error)
      }
      await pause(clock, backoffMaxMs(tries - 1, BACKOFF), new AbortController().signal)
    }
  }

  async #ask(): Promise<JoinReply> {
    const { inviter } = this.#ticket
    this.#isProven = false
    const options = { timeoutMs: JOIN_REQUEST_MS_MAX }
    const bytes = await this.#node.request(inviter, PROTOCOLS.join, this.#body, options)
    return decodeJoinReply(bytes, inviter)
  }

  #failure(error: unknown): MeshError {
    const { inviter, addresses } = this.#ticket
    const code = codeOf(error)
    if (code === 'REQUEST_REFUSED') {
      const problem = `it answered ${refusalOf(error)}: see its log`
      return new MeshError('JOIN_REFUSED', { inviter, problem }, { cause: error })
    }
    // It has shown who it is, and then cut us off: the door is closed.
    if (code === 'PEER_UNREACHABLE' && this.#isProven) {
      return new MeshError('INVITE_CLOSED', { inviter }, { cause: error })
    }
    const cause = code === 'REQUEST_TIMED_OUT' ? 'no answer in time' : dialCause(error)
    const facts = { inviter, addresses: addresses.join(', ') || 'no address', cause }
    return new MeshError('INVITER_UNREACHABLE', facts, { cause: error })
  }
}

function checkRoster(
  bytes: Uint8Array,
  { authority, inviter }: JoinTicket,
  peerId: string
): { readonly sealed: SealedRoster; readonly member: Member } {
  const refuse = (problem: string, cause?: unknown): MeshError =>
    new MeshError('JOIN_REFUSED', { inviter, problem }, { cause })
  try {
    const sealed = openRoster(bytes, authority)
    const member = sealed.roster.members.find((one) => one.peerId === peerId)
    if (member === undefined) throw refuse('its roster does not name this host')
    return { sealed, member }
  } catch (error) {
    if (codeOf(error) === 'JOIN_REFUSED') throw error
    throw refuse('its roster is not of the mesh that the join string names', error)
  }
}

/** The code that decides: the other side's where it sent one. */
function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof MeshError)) return undefined
  return error.code === 'REQUEST_REFUSED' ? String(error.facts['refusal']) : error.code
}

/** Why no address could be dialled: of several tries libp2p says no more than that all failed. */
function dialCause(error: unknown): string {
  const inner = error instanceof Error ? (error.cause ?? error) : error
  const all = inner instanceof AggregateError ? inner.errors : [inner]
  return [...new Set(all.map(shortCause))].join(', ')
}

function shortCause(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return code ?? causeOf(error)
}
