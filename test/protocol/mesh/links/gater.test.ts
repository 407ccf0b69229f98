import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { CONNECTIONS_PER_PEER_MAX } from '../../../../protocol/core/limits.ts'
import { gater } from '../../../../protocol/mesh/links/gater.ts'
import type { Admission, Standing } from '../../../../protocol/mesh/members/admission.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'

const PEER = peerIdFromString(generateKey().peerId)

type Door = ReturnType<typeof gater>
type Look = (door: Door) => unknown

// Only the peer id is looked at: a connection has no other proof of who it is.
const noConnection = undefined as never
const LOOKS: readonly (readonly [string, Look])[] = [
  ['a dial', (door) => door.denyDialPeer?.(PEER)],
  ['an inbound connection', (door) => door.denyInboundEncryptedConnection?.(PEER, noConnection)],
  ['an outbound connection', (door) => door.denyOutboundEncryptedConnection?.(PEER, noConnection)]
]

function door(standing: Standing, connections = 0): Door {
  const mayDial = (): boolean => standing !== 'none' && standing !== 'guest'
  const admission = { ofNewcomer: () => standing, mayDial } as unknown as Admission
  const onProven = (): void => {
    proven.push(standing)
  }
  const inviter = { peerId: PEER.toString(), addresses: [], onProven }
  return gater(admission, { of: () => connections }, inviter)
}

const proven: Standing[] = []

test.each(LOOKS)('%s of or to an outsider is denied, of or to a member is not', (_name, look) => {
  expect(look(door('none'))).toBe(true)
  expect(look(door('member'))).toBe(false)
  expect(look(door('roster_only'))).toBe(false)
})

test('a guest may come in, and is not dialled', () => {
  expect(LOOKS.map(([, look]) => look(door('guest')))).toEqual([true, false, true])
})

test('an inviter that has shown who it is is noted, even where the link ends there', () => {
  proven.length = 0

  LOOKS[2]?.[1](door('inviter'))
  LOOKS[2]?.[1](door('none'))

  expect(proven).toEqual(['inviter', 'none'])
})

test('one member cannot take all connections', () => {
  const inbound = LOOKS[1]?.[1]

  expect(inbound?.(door('member', CONNECTIONS_PER_PEER_MAX - 1))).toBe(false)
  expect(inbound?.(door('member', CONNECTIONS_PER_PEER_MAX))).toBe(true)
})
