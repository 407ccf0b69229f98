import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import type { Member, Roster, SealedRoster } from '../../../protocol/core/roster.ts'
import {
  admit,
  checkSuccessor,
  foundRoster,
  memberOf,
  rosterProblem
} from '../../../protocol/core/roster-rules.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'

const NOW_MS = 1_000
const AUTHORITY = 'authority'

/** What the authority may want next; few peers, stores and zones, so that they meet. */
type Wish =
  | { readonly kind: 'admit'; readonly member: Member }
  | { readonly kind: 'revoke'; readonly peerId: string }
  | { readonly kind: 'lease'; readonly lease: Roster['lease'] }
  /** The same entries in another order. */
  | { readonly kind: 'reverse' }
  /** Two witnesses exchange their stores: every peer and every store stays. */
  | { readonly kind: 'exchange' }

const arbitraryPeer = fc.constantFrom('p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6')

const arbitraryMember: fc.Arbitrary<Member> = fc
  .record({
    peerId: arbitraryPeer,
    store: fc.option(fc.nat(8), { freq: 4, nil: undefined }),
    zone: fc.constantFrom('rack1', 'rack2'),
    port: fc.integer({ min: 1, max: 3 }),
    notAfterMs: fc.constantFrom(NOW_MS, NOW_MS + 1, NOW_MS + 2)
  })
  .map(({ peerId, store, zone, port, notAfterMs }) => ({
    peerId,
    name: `host-${peerId}`,
    roles: store === undefined ? ['agent'] : ['agent', 'witness'],
    addresses: [`/ip4/127.0.0.1/tcp/${port}`],
    witness: store === undefined ? undefined : { storeId: `${store}`.repeat(32), zone },
    notAfterMs
  }))

const arbitraryWish: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('admit'), member: arbitraryMember }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('revoke'), peerId: arbitraryPeer }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('lease'),
      lease: fc.constantFrom('default', 'short')
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('reverse' as const, 'exchange' as const) })
  }
)

const FIRST = foundRoster(
  AUTHORITY,
  {
    peerId: 'founder',
    name: 'founder',
    roles: ['agent', 'witness', 'operator'],
    addresses: [],
    witness: { storeId: 'f'.repeat(32), zone: 'rack1' },
    notAfterMs: NOW_MS + 1
  },
  'short'
)

const sealed = (roster: Roster): SealedRoster => ({
  roster,
  hash: hashOf(roster),
  bytes: new Uint8Array()
})

const hashOf = (roster: Roster): string => DIGEST.text(JSON.stringify(roster))

const check = (current: Roster, next: Roster) =>
  checkSuccessor(current, next, AUTHORITY, hashOf(current))

/** What a witness epoch stands for, by the words of the protocol and not by the code's. */
function pictureOf({ members, w, lease }: Roster): string {
  const seats = members.flatMap(({ peerId, witness }) =>
    witness === undefined ? [] : [`${peerId} ${witness.storeId} ${witness.zone}`]
  )
  return [lease, w, ...seats.toSorted()].join('|')
}

/** Undefined where no such roster is allowed. */
function granted(current: Roster, wish: Wish): Roster | undefined {
  if (wish.kind === 'admit') {
    try {
      return admit(sealed(current), wish.member, NOW_MS)
    } catch (error) {
      const isRevoked = current.revoked.includes(wish.member.peerId)
      expect(codeOf(error)).toBe(isRevoked ? 'PEER_REVOKED' : 'ROSTER_INVALID')
      return undefined
    }
  }
  const next = successorOf(current, wish)
  const epoch = pictureOf(next) === pictureOf(current) ? 0 : 1
  const made = { ...next, witnessEpoch: current.witnessEpoch + epoch }
  return rosterProblem(made) === undefined ? made : undefined
}

/** As the authority would write it by hand: no function of the programs does this yet. */
function successorOf(current: Roster, wish: Exclude<Wish, { readonly kind: 'admit' }>): Roster {
  const head = { ...current, version: current.version + 1, prevHash: hashOf(current) }
  if (wish.kind === 'lease') return { ...head, lease: wish.lease }
  if (wish.kind === 'reverse') return { ...head, members: current.members.toReversed() }
  if (wish.kind === 'exchange') return { ...head, members: exchanged(current.members) }
  const members = current.members.filter(({ peerId }) => peerId !== wish.peerId)
  const witnesses = members.filter(({ witness }) => witness !== undefined).length
  const w = witnesses >= 5 ? 5 : witnesses >= 3 ? 3 : 1
  return { ...head, members, w, revoked: [...new Set([...current.revoked, wish.peerId])] }
}

function exchanged(members: readonly Member[]): readonly Member[] {
  const [one, two] = members.filter(({ witness }) => witness !== undefined)
  return members.map((member) => {
    const other = member === one ? two : member === two ? one : undefined
    return other === undefined ? member : { ...member, witness: other.witness }
  })
}

interface Step {
  readonly wish: Wish
  readonly before: Roster
  /** Undefined where the wish was refused. */
  readonly after: Roster | undefined
}

function live(wishes: readonly Wish[]): readonly Step[] {
  let current = FIRST
  return wishes.map((wish) => {
    const before = current
    const after = granted(before, wish)
    current = after ?? before
    return { wish, before, after }
  })
}

function checkAll(claim: (steps: readonly Step[]) => void): void {
  fc.assert(
    fc.property(fc.array(arbitraryWish, { maxLength: 30, size: 'max' }), (wishes) =>
      claim(live(wishes))
    ),
    { numRuns: 200 }
  )
}

const chainOf = (steps: readonly Step[]): readonly Roster[] => [
  FIRST,
  ...steps.flatMap(({ after }) => after ?? [])
]

test('whatever the authority signs next follows, also for a member that missed some', () => {
  let longest = 0
  checkAll((steps) => {
    const chain = chainOf(steps)
    longest = Math.max(longest, chain.length)
    chain.forEach((current, index) => {
      for (const later of chain.slice(index + 1)) expect(check(current, later)).toBeUndefined()
    })
  })
  expect(longest).toBeGreaterThan(15)
})

test('a successor names the roster that it was made of', () => {
  checkAll((steps) => {
    for (const { before, after } of steps) {
      if (after === undefined) continue
      expect(after.prevHash).toBe(hashOf(before))
      expect(check(before, { ...after, prevHash: hashOf(after) })).toBeDefined()
    }
  })
})

test('no version goes back: what was replaced is never a successor again', () => {
  checkAll((steps) => {
    const chain = chainOf(steps)
    chain.forEach((current, index) => {
      expect(current.version).toBe(index + 1)
      for (const earlier of chain.slice(0, index + 1)) expect(check(current, earlier)).toBeDefined()
    })
  })
})

test('the witness epoch rises by one exactly when a witness, its store, w or the lease changes', () => {
  const seen = { risen: 0, kept: 0 }
  checkAll((steps) => {
    for (const { before, after } of steps) {
      if (after === undefined) continue
      const rise = pictureOf(after) === pictureOf(before) ? 0 : 1
      expect(after.witnessEpoch - before.witnessEpoch).toBe(rise)
      for (const other of [-1, 0, 1, 2].filter((step) => step !== rise)) {
        const forged = { ...after, witnessEpoch: before.witnessEpoch + other }
        expect(check(before, forged), `${other} in place of ${rise}`).toBeDefined()
      }
      seen[rise === 1 ? 'risen' : 'kept'] += 1
    }
  })
  expect(Math.min(seen.risen, seen.kept)).toBeGreaterThan(200)
})

test('a peer that was revoked once is never a member again', () => {
  let tried = 0
  checkAll((steps) => {
    for (const { wish, before, after } of steps) {
      for (const peer of before.revoked) {
        expect(memberOf(before, peer, 0)).toBeUndefined()
        if (after === undefined) continue
        expect(after.revoked).toContain(peer)
        const forgotten = after.revoked.filter((other) => other !== peer)
        expect(check(before, { ...after, revoked: forgotten })).toBeDefined()
      }
      if (wish.kind !== 'admit' || !before.revoked.includes(wish.member.peerId)) continue
      expect(after).toBeUndefined()
      tried += 1
    }
  })
  expect(tried).toBeGreaterThan(100)
})

test('an admitted member has the entry that was asked for, and all others keep theirs', () => {
  checkAll((steps) => {
    for (const { wish, before, after } of steps) {
      if (wish.kind !== 'admit' || after === undefined) continue
      const { member } = wish
      const others = ({ members }: Roster) =>
        members.filter(({ peerId }) => peerId !== member.peerId)
      expect(after.members).toContainEqual(member)
      expect(member.notAfterMs).toBeGreaterThan(NOW_MS)
      expect(others(after)).toEqual(others(before))
      expect(after.members.length - others(after).length).toBe(1)
      expect(after).toMatchObject({ lease: before.lease, authority: AUTHORITY })
    }
  })
})
