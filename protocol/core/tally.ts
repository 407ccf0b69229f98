import type { RegisterReply, RejectCode } from './messages.ts'
import type { WitnessRef } from './witnesses.ts'
import { quorumOf } from './witnesses.ts'

/** The answers to one wave of requests, one request a witness. */
export interface Tally {
  readonly witnesses: readonly WitnessRef[]
  readonly replies: ReadonlyMap<string, RegisterReply>
  readonly failed: ReadonlySet<string>
}

export type ReplyOf<Kind extends RegisterReply['kind']> = Extract<
  RegisterReply,
  { readonly kind: Kind }
>

export function tallyOf(witnesses: readonly WitnessRef[]): Tally {
  return { witnesses, replies: new Map(), failed: new Set() }
}

/** With the answer of `from`, or, where `reply` is undefined, with the news that none will come. */
export function count(tally: Tally, from: string, reply: RegisterReply | undefined): Tally {
  if (!tally.witnesses.some(({ peerId }) => peerId === from)) return tally
  // A yes stands: a repeated request that the witness refuses takes no answer back.
  const known = tally.replies.get(from)
  if (known !== undefined && known.kind !== 'rejected') return tally
  if (reply === undefined) return { ...tally, failed: new Set(tally.failed).add(from) }
  return { ...tally, replies: new Map(tally.replies).set(from, reply) }
}

/** Peer and answer of all that answered in this way. */
export function repliesOf<Kind extends RegisterReply['kind']>(
  tally: Tally,
  kind: Kind
): ReadonlyMap<string, ReplyOf<Kind>> {
  const found = [...tally.replies].filter(
    (entry): entry is [string, ReplyOf<Kind>] => entry[1].kind === kind
  )
  return new Map(found)
}

/** How many answered in this way. */
export function countOf({ replies }: Tally, kind: RegisterReply['kind']): number {
  let found = 0
  for (const reply of replies.values()) if (reply.kind === kind) found += 1
  return found
}

export function quorumOfTally(tally: Tally): number {
  return quorumOf(tally.witnesses.length)
}

/** Witnesses from which an answer may still come. */
export function outstanding(tally: Tally): readonly string[] {
  const { witnesses, replies, failed } = tally
  const peers: string[] = []
  for (const { peerId } of witnesses) {
    if (!replies.has(peerId) && !failed.has(peerId)) peers.push(peerId)
  }
  return peers
}

/** True when so many refused or failed that no quorum of `kind` can come any more. */
export function isHopeless(tally: Tally, kind: RegisterReply['kind']): boolean {
  return countOf(tally, kind) + outstanding(tally).length < quorumOfTally(tally)
}

/** True when a quorum can only come once a full disk has room: no change waits for that. */
export function isFull(tally: Tally): boolean {
  const full = refusals(tally).filter(({ code }) => code === 'disk_low').length
  return tally.witnesses.length - full < quorumOfTally(tally)
}

export function refusals(tally: Tally): readonly { peer: string; code: RejectCode }[] {
  return [...repliesOf(tally, 'rejected')].map(([peer, { code }]) => ({ peer, code }))
}
