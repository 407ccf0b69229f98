import type { Connection } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { GUEST_MS_MAX, GUESTS_MAX } from '../../../../protocol/core/join-limits.ts'
import { STRANGER_MS_MAX, STRANGERS_MAX } from '../../../../protocol/core/limits.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { Links } from '../../../../protocol/mesh/links/links.ts'
import type { Admission, Standing } from '../../../../protocol/mesh/members/admission.ts'
import { Guests } from '../../../../protocol/mesh/members/door.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

/** Links of a host whose roster changes as the test says; connections that only open and close. */
function open(standing: Standing = 'roster_only') {
  const clock = new FakeClock()
  const standings = new Map<string, Standing>()
  const of = (peer: string): Standing => standings.get(peer) ?? standing
  const admission: unknown = { of, ofNewcomer: of, guests: new Guests() }
  const links = new Links({ admission: admission as Admission, clock, log: silentLog() })
  const connect = (peer: string) => {
    const connection = {
      status: 'open',
      remotePeer: { toString: () => peer },
      remoteAddr: { toString: () => `/ip4/192.0.2.1/tcp/1/p2p/${peer}` },
      abort: () => {
        connection.status = 'aborted'
        // libp2p tells it a moment later.
        queueMicrotask(() => links.closed(connection as unknown as Connection))
      }
    }
    links.opened(connection as unknown as Connection)
    return connection
  }
  const close = (connection: unknown) => links.closed(connection as Connection)
  return { clock, links, standings, connect, close }
}

test('a stranger that brings no roster is cut after its time, and a member never', async () => {
  const { clock, links, standings, connect } = open()
  standings.set('member', 'member')
  const [stranger, member] = [connect('stranger'), connect('member')]
  await clock.advance(STRANGER_MS_MAX - 1)
  expect(stranger.status).toBe('open')

  await clock.advance(1)

  expect([stranger.status, member.status]).toEqual(['aborted', 'open'])
  expect(links.of('stranger')).toBe(0)
})

test('a stranger that a new roster names may stay', async () => {
  const { clock, links, standings, connect } = open()
  const joiner = connect('joiner')
  await clock.advance(STRANGER_MS_MAX / 2)
  standings.set('joiner', 'member')
  links.enforce()

  await clock.advance(10 * STRANGER_MS_MAX)

  expect(joiner.status).toBe('open')
  expect(links.list().map(({ peerId }) => peerId)).toEqual(['joiner'])
})

test('there are never more strangers than a few: the one that came first goes', async () => {
  const { clock, links, connect } = open()
  const all = Array.from({ length: STRANGERS_MAX }, (_, index) => connect(`stranger-${index}`))

  const bearer = connect('bearer')
  const second = connect('stranger-1')

  expect(all.map(({ status }) => status).filter((status) => status !== 'open')).toHaveLength(2)
  expect([all[0]?.status, all[1]?.status]).toEqual(['aborted', 'aborted'])
  expect([bearer.status, second.status]).toEqual(['open', 'open'])
  await clock.advance(0)
  expect(links.all()).toHaveLength(STRANGERS_MAX)
})

test('members do not count as strangers, and strangers that left do not either', async () => {
  const { clock, standings, connect, close } = open()
  for (let index = 0; index < 2 * STRANGERS_MAX; index += 1) standings.set(`m${index}`, 'member')
  const first = connect('first')
  for (const member of standings.keys()) connect(member)
  for (let index = 0; index < 2 * STRANGERS_MAX; index += 1) close(connect('guest'))

  expect(first.status).toBe('open')
  close(first)
  await clock.advance(0)
  expect(clock.armed()).toBe(0)
})

test('guests get fewer places and less time, and none of those that bring a roster', async () => {
  const { clock, standings, connect } = open('guest')
  standings.set('bearer', 'roster_only')
  const bearer = connect('bearer')
  const guests = Array.from({ length: GUESTS_MAX + 1 }, (_, index) => connect(`guest-${index}`))
  expect(guests.map(({ status }) => status)).toEqual([
    'aborted',
    ...new Array<string>(GUESTS_MAX).fill('open')
  ])

  await clock.advance(GUEST_MS_MAX)

  expect(guests.every(({ status }) => status === 'aborted')).toBe(true)
  expect(bearer.status).toBe('open')
})
