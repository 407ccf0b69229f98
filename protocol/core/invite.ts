import { INVITE_KEPT_MS, INVITE_MS_MAX, INVITES_KEPT_MAX, INVITES_OPEN_MAX } from './join-limits.ts'
import type { Role } from './roster.ts'

/** What an invite can admit as; being a witness is said apart. */
export type InviteRole = Exclude<Role, 'witness'>

/** The program that joins; an operator is a member that runs the agent program. */
export type Joiner = 'agent' | 'gateway'

/** What the holder of the authority's key remembers of one join string. */
export interface Invite {
  /** 16 hex digits, made of the secret. */
  readonly id: string
  /** 32 hex digits; gone with its use: nothing needs it any more. */
  readonly secret: string | undefined
  readonly roles: readonly InviteRole[]
  readonly isWitness: boolean
  /** Wall clock of the inviter, the only one that counts. */
  readonly expiresMs: number
  /** Peer id of the one host that it admitted. */
  readonly usedBy: string | undefined
}

export type Invites = readonly Invite[]

export type NewInvite = Omit<Invite, 'usedBy' | 'secret'> & { readonly secret: string }

export type OpenAnswer =
  | { readonly kind: 'opened'; readonly invite: Invite }
  | { readonly kind: 'full'; readonly max: number }
  | { readonly kind: 'too_long'; readonly maxMs: number }

/** What a joiner has shown when its request is looked at. */
export interface JoinAttempt {
  readonly id: string
  /** As the connection proved it. */
  readonly peerId: string
  readonly joiner: Joiner
  /** It knows the secret: its code over all that it says is right. */
  readonly isProven: boolean
  /** The current roster names it already. */
  readonly isMember: boolean
}

export type InviteRefusal = 'unknown' | 'used' | 'expired' | 'forged' | 'other_role'

export type TakeAnswer =
  /** Keep the state that came with this, then sign the roster, then answer: in this order. */
  | { readonly kind: 'admit'; readonly invite: Invite }
  /** Its answer was lost: it gets the roster once more. */
  | { readonly kind: 'again' }
  | { readonly kind: 'refused'; readonly reason: InviteRefusal }

/** Adds an invite; the same state where it may not be. */
export function openInvite(
  state: Invites,
  wanted: NewInvite,
  nowMs: number
): readonly [Invites, OpenAnswer] {
  if (wanted.expiresMs - nowMs > INVITE_MS_MAX) {
    return [state, { kind: 'too_long', maxMs: INVITE_MS_MAX }]
  }
  if (openInvites(state, nowMs).length >= INVITES_OPEN_MAX) {
    return [state, { kind: 'full', max: INVITES_OPEN_MAX }]
  }
  const invite: Invite = { ...wanted, usedBy: undefined }
  return [trimmed([...state, invite], nowMs), { kind: 'opened', invite }]
}

/**
 * Decides on one request to join. The state that comes with `admit` must be durable before anything
 * of it is told: an invite whose use is forgotten in a crash would admit a second host.
 */
export function takeInvite(
  state: Invites,
  attempt: JoinAttempt,
  nowMs: number
): readonly [Invites, TakeAnswer] {
  const invite = state.find(({ id }) => id === attempt.id)
  if (invite === undefined) return [state, refused('unknown')]
  const isOwn = invite.usedBy === attempt.peerId
  // Before all else: no proof, however good, opens a used invite to another host.
  if (invite.usedBy !== undefined && !isOwn) return [state, refused('used')]
  if (isOwn && attempt.isMember) return [state, { kind: 'again' }]
  if (nowMs >= invite.expiresMs) return [state, refused('expired')]
  // The crash came between the burning and the roster: who burned it is proven by its connection.
  if (!isOwn && !attempt.isProven) return [state, refused('forged')]
  if (!admitsJoiner(invite.roles, attempt.joiner)) return [state, refused('other_role')]
  if (isOwn) return [state, { kind: 'admit', invite }]
  const burned: Invite = { ...invite, secret: undefined, usedBy: attempt.peerId }
  const next = state.map((other) => (other.id === invite.id ? burned : other))
  return [next, { kind: 'admit', invite: burned }]
}

/** Whether this stranger may be let in now, to show what it has. */
export function isInviteOpen(state: Invites, peerId: string, nowMs: number): boolean {
  return state.some((invite) => {
    return isOpen(invite, nowMs) || (invite.usedBy === peerId && nowMs < invite.expiresMs)
  })
}

export function openInvites(state: Invites, nowMs: number): Invites {
  return state.filter((invite) => isOpen(invite, nowMs))
}

/** An operator has no program of its own: it is whoever runs the agent's. */
export function admitsJoiner(roles: readonly InviteRole[], joiner: Joiner): boolean {
  return roles.includes(joiner) || (joiner === 'agent' && roles.includes('operator'))
}

/**
 * Forgets what ended long ago, and the oldest ended ones above the maximum. An open invite is never
 * forgotten; of a forgotten one its holder hears `unknown`, so nothing is ever opened by it.
 */
function trimmed(state: Invites, nowMs: number): Invites {
  const recent = state.filter(({ expiresMs }) => nowMs < expiresMs + INVITE_KEPT_MS)
  const ended = recent.filter((invite) => !isOpen(invite, nowMs))
  const excess = new Set(ended.slice(0, Math.max(0, recent.length - INVITES_KEPT_MAX)))
  return recent
    .filter((invite) => !excess.has(invite))
    .map((invite) => (isOpen(invite, nowMs) ? invite : { ...invite, secret: undefined }))
}

function isOpen({ usedBy, expiresMs }: Invite, nowMs: number): boolean {
  return usedBy === undefined && nowMs < expiresMs
}

function refused(reason: InviteRefusal): TakeAnswer {
  return { kind: 'refused', reason }
}
