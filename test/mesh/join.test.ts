import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SealedRoster } from '../../protocol/core/roster.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import {
  decodeJoinReply,
  encodeJoinClaim,
  encodeJoinRequest,
  type JoinClaim,
  type JoinReply
} from '../../protocol/wire/join-codec.ts'
import { inviteIdOf, joinMac } from '../../protocol/wire/join-proof.ts'
import type { JoinTicket } from '../../protocol/wire/join-string.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { eventually } from '../support/eventually.ts'
import { InvitingMesh } from '../support/inviter.ts'
import { LOOPBACK, memberEntry, nextRoster } from '../support/mesh-nodes.ts'
import { dialRaw, RawStream, rawPeer } from '../support/raw-peer.ts'

/* Hosts that join over real libp2p on loopback, each with a state folder of its own. */

let inviting: InvitingMesh
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  inviting = await InvitingMesh.start()
})

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
  await inviting.stop()
})

function current(): SealedRoster {
  const sealed = inviting.host.book.current()
  if (sealed === undefined) throw new Error('no roster')
  return sealed
}

const names = (): readonly string[] =>
  current()
    .roster.members.slice(1)
    .map(({ name }) => name)

function claimOf(ticket: JoinTicket, more: Partial<JoinClaim> = {}): Uint8Array {
  return encodeJoinClaim({
    invite: inviteIdOf(ticket.secret),
    joiner: 'agent',
    name: 'raw',
    storeId: '0a'.repeat(16),
    addresses: ['/ip4/127.0.0.1/tcp/4471'],
    ports: [],
    ...more
  })
}

/** Sends these bytes as that peer, which keeps none of our rules. */
async function send(key: MeshKey, body: Uint8Array): Promise<JoinReply> {
  const peer = await rawPeer(key)
  ends.push(async () => peer.stop())
  const raw = await RawStream.open(await dialRaw(peer, inviting.host.node), PROTOCOLS.join)
  raw.request(1, body)
  const frame = await eventually('an answer', () => raw.frames[0])
  return decodeJoinReply(frame.body)
}

describe('a host with a join string', () => {
  test('becomes a member that is reached where its connection came from', async () => {
    const ticket = await inviting.invite({ roles: ['agent', 'operator'], isWitness: true })

    const joined = await inviting.join(ticket, 'basalt')

    expect(joined.member).toMatchObject({
      name: 'basalt',
      roles: ['agent', 'operator', 'witness'],
      addresses: ['/ip4/127.0.0.1/tcp/4471'],
      witness: { storeId: joined.storeId, zone: 'basalt' }
    })
    expect(joined.sealed.hash).toBe(current().hash)
    const paths = inviting.paths('basalt')
    expect((await readFile(paths.authority, 'utf8')).trim()).toBe(ticket.authority)
    const book = await RosterBook.open(paths.rosters, ticket.authority, systemClock())
    expect(book.current()?.hash).toBe(current().hash)
  })

  test('says itself where it is reached, where it knows better', async () => {
    const address = '/dns/basalt.example/tcp/4471'

    const joined = await inviting.join(await inviting.invite(), 'basalt', { addresses: [address] })

    expect(joined.member.addresses).toEqual([address])
  })

  test('that lost its answer gets the roster again, and nobody twice', async () => {
    const ticket = await inviting.invite()
    const first = await inviting.join(ticket, 'basalt')

    const again = await inviting.join(ticket, 'basalt')

    expect(again.sealed.hash).toBe(first.sealed.hash)
    expect(names()).toEqual(['basalt'])
  })

  test('may choose another name where its own is taken: the string stays good', async () => {
    const ticket = await inviting.invite()
    await inviting.join(await inviting.invite(), 'basalt')

    const taken = inviting.join(ticket, 'other', { as: 'basalt' })
    await expect(taken).rejects.toMatchObject({ code: 'NAME_TAKEN' })
    await inviting.join(ticket, 'other', { as: 'slate' })

    expect(names()).toEqual(['basalt', 'slate'])
  })

  test('joins among five that come at once', async () => {
    const hosts = ['a', 'b', 'c', 'd', 'e']
    const tickets = await Promise.all(hosts.map(() => inviting.invite()))

    await Promise.all(tickets.map((ticket, index) => inviting.join(ticket, hosts[index] ?? '')))

    expect(names().toSorted()).toEqual(hosts)
    expect(inviting.invites.isOpen('stranger')).toBe(false)
  })
})

describe('a join string is good for one host:', () => {
  test('of five that come with it at once one joins', async () => {
    const ticket = await inviting.invite()
    await inviting.invite()
    const hosts = ['a', 'b', 'c', 'd', 'e']

    const results = await Promise.allSettled(hosts.map((name) => inviting.join(ticket, name)))

    const refusals = results.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
    expect(refusals).toEqual(['INVITE_USED', 'INVITE_USED', 'INVITE_USED', 'INVITE_USED'])
    expect(names()).toHaveLength(1)
  })

  test('a second one is told that it was used, or that the door is closed', async () => {
    const ticket = await inviting.invite()
    await inviting.join(ticket, 'basalt')

    const closed = inviting.join(ticket, 'slate')
    await expect(closed).rejects.toMatchObject({ code: 'INVITE_CLOSED' })
    await inviting.invite()
    await expect(inviting.join(ticket, 'slate')).rejects.toMatchObject({ code: 'INVITE_USED' })

    expect(names()).toEqual(['basalt'])
    await expect(readFile(inviting.paths('slate').authority)).rejects.toThrow('ENOENT')
  })

  test('the request of one host proves nothing for another that overheard it', async () => {
    const [victim, thief] = [generateKey(), generateKey()]
    const ticket = await inviting.invite()
    const claim = claimOf(ticket)
    const peers = { inviter: ticket.inviter, joiner: victim.peerId }
    const request = encodeJoinRequest({ claim, mac: joinMac(ticket.secret, peers, claim) })

    expect(await send(thief, request)).toEqual({ kind: 'refused', reason: 'forged' })
    expect(await send(victim, request)).toMatchObject({ kind: 'admitted' })
  })

  test('a word that was changed on the way makes the proof worthless', async () => {
    const key = generateKey()
    const ticket = await inviting.invite()
    const peers = { inviter: ticket.inviter, joiner: key.peerId }
    const mac = joinMac(ticket.secret, peers, claimOf(ticket))
    const other = encodeJoinRequest({ claim: claimOf(ticket, { name: 'rawer' }), mac })

    expect(await send(key, other)).toEqual({ kind: 'refused', reason: 'forged' })
    expect(names()).toEqual([])
  })
})

describe('a join string is refused', () => {
  test('after its end, by the clock of the inviter', async () => {
    await inviting.invite()
    const ticket = await inviting.invite({ forMs: 1 })
    const late = { ...ticket, expiresMs: ticket.expiresMs + 3_600_000 }

    await expect(inviting.join(late, 'basalt')).rejects.toMatchObject({ code: 'INVITE_EXPIRED' })
    // The joiner's own clock spares it the way.
    const heard = inviting.heard.length
    await expect(inviting.join(ticket, 'basalt')).rejects.toMatchObject({ code: 'INVITE_EXPIRED' })
    expect(inviting.heard).toHaveLength(heard)
  })

  test.each([
    ['another secret', { secret: 'ff'.repeat(16) }, 'INVITE_UNKNOWN'],
    ['another authority', { authority: generateKey().peerId }, 'JOIN_REFUSED'],
    ['another inviter', { inviter: generateKey().peerId }, 'INVITER_UNREACHABLE'],
    ['no address', { addresses: [] }, 'INVITER_UNREACHABLE']
  ])('when it was forged to have %s', async (_name, more, code) => {
    const ticket = await inviting.invite()

    const forged = inviting.join({ ...ticket, ...more }, 'basalt')

    await expect(forged).rejects.toMatchObject({ code })
    await expect(forged).rejects.not.toThrow(ticket.secret)
    await expect(readFile(inviting.paths('basalt').authority)).rejects.toThrow('ENOENT')
  })

  test('by another program than it is for, also when its roles were forged', async () => {
    const ticket = await inviting.invite({ roles: ['gateway'] })

    const plain = inviting.join(ticket, 'basalt')
    const forged = inviting.join({ ...ticket, roles: ['agent'] }, 'basalt')

    await expect(plain).rejects.toMatchObject({ code: 'INVITE_ROLE_OTHER' })
    await expect(plain).rejects.toThrow('gateway join')
    await expect(forged).rejects.toMatchObject({ code: 'INVITE_ROLE_OTHER' })
    expect(inviting.invites.isOpen('stranger')).toBe(true)
  })

  test('by a state that belongs to another mesh', async () => {
    await inviting.join(await inviting.invite(), 'basalt')
    const other = await InvitingMesh.start()
    ends.push(() => other.stop())

    const second = inviting.join(await other.invite(), 'basalt')

    await expect(second).rejects.toMatchObject({ code: 'STATE_BOUND' })
    expect(other.heard).toEqual([])
  })

  test('with the addresses that were tried, when nobody answers there', async () => {
    const ticket = await inviting.invite()
    await inviting.host.node.stop()

    const lost = inviting.join(ticket, 'basalt')

    await expect(lost).rejects.toMatchObject({ code: 'INVITER_UNREACHABLE' })
    await expect(lost).rejects.toThrow(ticket.addresses[0])
    await expect(lost).rejects.toThrow('ECONNREFUSED')
  })
})

test('a member with an older roster is dialled until it has the new one, with pauses', async () => {
  const { mesh, host } = inviting
  const other = await mesh.addHost()
  const old = nextRoster(mesh.authority, current(), mesh.entries())
  await Promise.all([host, other].map(({ book }) => book.offer(old.bytes)))
  const key = generateKey()
  const members = [...mesh.entries().slice(1), memberEntry(key.peerId, { addresses: [LOOPBACK] })]
  const next = nextRoster(mesh.authority, old, members)

  const joiner = await mesh.startHost({ key, roster: next })
  let links = 0
  joiner.node.onLink(({ kind }) => {
    if (kind === 'up') links += 1
  })
  const cut = (): boolean => links >= 4 && joiner.node.links().length === 0
  const startMs = Date.now()
  await eventually('cut off a few times', cut)
  // 250, 500 and 1 000 ms with at most half of it taken off: without pauses it is a blink.
  expect(Date.now() - startMs).toBeGreaterThan(800)
  await other.book.offer(next.bytes)

  await eventually('linked', () => other.node.links().some(({ peerId }) => peerId === key.peerId))
})
