import type { Connection } from '@libp2p/interface'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GUEST_MS_MAX, GUESTS_MAX } from '../../protocol/core/join-limits.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import {
  decodeJoinReply,
  encodeJoinClaim,
  encodeJoinRequest
} from '../../protocol/wire/join-codec.ts'
import { inviteIdOf } from '../../protocol/wire/join-proof.ts'
import type { JoinTicket } from '../../protocol/wire/join-string.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { eventually } from '../support/eventually.ts'
import { InvitingMesh } from '../support/inviter.ts'
import { nextRoster } from '../support/mesh-nodes.ts'
import { dialRaw, RawStream, rawPeer } from '../support/raw-peer.ts'
import { SteeredClock } from '../support/steered-clock.ts'

/* What strangers get away with while an invite is open, and while none is. */

let clock: SteeredClock
let inviting: InvitingMesh
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  clock = new SteeredClock(GUEST_MS_MAX)
  inviting = await InvitingMesh.start(clock)
})

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
  await inviting.stop()
})

/** A stranger's connection, once the host has let it in. */
async function guest(key = generateKey()): Promise<Connection> {
  const peer = await rawPeer(key)
  ends.push(async () => peer.stop())
  const connection = await dialRaw(peer, inviting.host.node)
  await eventually('let in', () => inviting.host.node.seen(key.peerId) !== undefined)
  return connection
}

/** The same for one that is cut off: its dial may look fine for a moment. */
async function outsider(key = generateKey()): Promise<void> {
  const peer = await rawPeer(key)
  ends.push(async () => peer.stop())
  await dialRaw(peer, inviting.host.node).catch(() => undefined)
  await eventually('cut off', () => peer.getConnections().length === 0)
  expect(inviting.host.node.seen(key.peerId)).toBeUndefined()
}

function emptyHanded(ticket: JoinTicket): Uint8Array {
  const claim = encodeJoinClaim({
    invite: inviteIdOf(ticket.secret),
    joiner: 'agent',
    name: 'raw',
    storeId: '0a'.repeat(16),
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    ports: []
  })
  return encodeJoinRequest({ claim, mac: new Uint8Array(32) })
}

const isOpen = (connection: Connection): boolean => connection.status === 'open'

describe('without an open invite', () => {
  test('a stranger is cut off after Noise and is heard on no stream', async () => {
    await outsider()

    expect(inviting.heard).toEqual([])
  })

  test('nobody comes in once the last one was used, or is over', async () => {
    await inviting.invite({ forMs: 60_000 })
    await guest()
    clock.jumpWall(60_000)
    await outsider()

    await inviting.join(await inviting.invite({ forMs: 3_600_000 }), 'basalt')
    await outsider()
  })
})

describe('while an invite is open', () => {
  test('a stranger reaches the join stream and no other', async () => {
    await inviting.invite()
    const connection = await guest()
    const { join, ...others } = PROTOCOLS

    for (const protocol of Object.values(others)) {
      const attempt = RawStream.open(connection, protocol).then(async (raw) => {
        raw.request(1)
        await eventually('refused', () => raw.isClosed)
        return raw.frames.length
      })
      // Not handled at all, or handled and refused: no answer either way.
      expect(await attempt.catch(() => 0), protocol).toBe(0)
    }
    const raw = await RawStream.open(connection, join)
    raw.request(1, Uint8Array.of(1))
    const answer = await eventually('an answer', () => raw.frames[0])
    expect(answer).toMatchObject({ kind: 'error', code: 'MESSAGE_INVALID' })
    expect(inviting.host.node.links()).toEqual([])
    expect(connection.streams.map(({ protocol }) => protocol)).not.toContain('/meshsub/1.2.0')
  })

  test('a stranger that says nothing is cut after its ten seconds', async () => {
    await inviting.invite()
    const idle = clock.held()
    const connection = await guest()
    await eventually('its time runs', () => clock.held() > idle)
    expect(isOpen(connection)).toBe(true)

    clock.fire()

    await eventually('cut off', () => !isOpen(connection))
  })

  test('four strangers are in at a time, and those that sit there keep nobody out', async () => {
    const ticket = await inviting.invite()
    const silent: Connection[] = []
    for (let index = 0; index < GUESTS_MAX; index++) silent.push(await guest())
    expect(silent.every(isOpen)).toBe(true)

    const fifth = await guest()
    await eventually('the first one goes', () => silent.filter(isOpen).length < GUESTS_MAX)

    expect(silent.map(isOpen)).toEqual([false, true, true, true])
    expect(isOpen(fifth)).toBe(true)
    const joined = await inviting.join(ticket, 'basalt')
    expect(joined.member.name).toBe('basalt')
  })

  test('one that came in time is told that another one was faster', async () => {
    const ticket = await inviting.invite()
    const late = await guest()
    await inviting.join(ticket, 'basalt')
    expect(inviting.invites.isOpen('stranger')).toBe(false)

    const raw = await RawStream.open(late, PROTOCOLS.join)
    raw.request(1, emptyHanded(ticket))
    const answer = await eventually('an answer', () => raw.frames[0])

    expect(decodeJoinReply(answer.body)).toEqual({ kind: 'refused', reason: 'used' })
  })

  test('a host that was thrown out does not come in', async () => {
    const revoked = generateKey()
    const sealed = inviting.host.book.current()
    if (sealed === undefined) throw new Error('no roster')
    const next = nextRoster(inviting.mesh.authority, sealed, sealed.roster.members, [
      revoked.peerId
    ])
    await inviting.host.book.offer(next.bytes)
    await inviting.invite()

    await outsider(revoked)
    await guest()
  })
})
