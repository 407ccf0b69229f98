import { expect, test } from 'vitest'
import { MeshError } from '../../../../protocol/core/errors.ts'
import { LEASE_PROFILES } from '../../../../protocol/core/lease-profile.ts'
import { WITNESS_INQUIRY_MS_MAX } from '../../../../protocol/core/limits.ts'
import type { RegisterReply } from '../../../../protocol/core/messages.ts'
import type { Transport } from '../../../../protocol/core/ports.ts'
import type { Role } from '../../../../protocol/core/roster.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import type { LinkEvent } from '../../../../protocol/mesh/links/links.ts'
import { StoreInquiry } from '../../../../protocol/mesh/witness/store-inquiry.ts'
import { sealRoster } from '../../../../protocol/wire/roster-codec.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { FixedRosters, keyOfSeed } from '../../../support/memory-mesh.ts'
import { memberEntry, rosterOf } from '../../../support/mesh-nodes.ts'

const STORE_ID = 'aa'.repeat(16)
const { requestTimeoutMs } = LEASE_PROFILES.short

/** The inquiry of the first of these members; answers come when the test gives them. */
async function open(...roles: readonly (readonly Role[])[]) {
  const clock = new FakeClock()
  const keys = await Promise.all(roles.map((_, index) => keyOfSeed(index + 1)))
  const authority = await keyOfSeed(0)
  const entries = keys.map(({ peerId }, index) =>
    memberEntry(peerId, { roles: roles[index] ?? [] })
  )
  const peers = keys.map(({ peerId }) => peerId)
  const [me = ''] = peers
  const answers = new Map<string, PromiseWithResolvers<RegisterReply>>()
  const asked: string[] = []
  const request: Transport['request'] = async (peer, message, { timeoutMs, signal }) => {
    expect(message).toEqual({ kind: 'seen', storeId: STORE_ID })
    asked.push(peer)
    const answer = Promise.withResolvers<RegisterReply>()
    answers.set(peer, answer)
    const end = () => answer.reject(new MeshError('REQUEST_TIMED_OUT', { peer, timeoutMs }))
    const disarm = clock.arm(timeoutMs, end)
    signal?.addEventListener('abort', end)
    return await answer.promise.finally(disarm)
  }
  const seen: (readonly [string, number])[] = []
  const links = new Set<(event: LinkEvent) => void>()
  const inquiry = new StoreInquiry({
    transport: { peerId: me, request },
    rosters: new FixedRosters(sealRoster(authority, rosterOf(authority, entries))),
    clock,
    log: silentLog(),
    storeId: STORE_ID,
    linked: () => new Set(),
    onLink: (listener) => {
      links.add(listener)
      return () => links.delete(listener)
    },
    onSeen: (peerId, seq) => seen.push([peerId, seq])
  })
  inquiry.start()
  const up = async (index: number) => {
    for (const tell of links) tell({ kind: 'up', peerId: peers[index] ?? '' })
    await clock.advance(0)
  }
  const answer = async (index: number, seq: number) => {
    answers.get(peers[index] ?? '')?.resolve({ kind: 'seen', seq })
    await clock.advance(0)
  }
  return { clock, peers, inquiry, asked, seen, up, answer }
}

const WITNESS: readonly Role[] = ['agent', 'witness']

test('a witness that is alone waits for nobody', async () => {
  const { inquiry, clock } = await open(['gateway', 'witness'], ['agent'])

  expect(inquiry.pending).toBeUndefined()
  expect(clock.armed()).toBe(0)
})

test('a start is over when every other witness has told what it was shown', async () => {
  const { peers, inquiry, asked, seen, up, answer } = await open(WITNESS, WITNESS, WITNESS, [
    'agent'
  ])
  await up(3)
  await up(1)
  await up(2)
  expect(asked).toEqual([peers[1], peers[2]])

  await answer(1, 7)
  expect(inquiry.pending).toBeDefined()
  await answer(2, 9)

  expect(inquiry.pending).toBeUndefined()
  expect(seen).toEqual([
    [peers[1], 7],
    [peers[2], 9]
  ])
})

test('a witness that never comes, or never answers, holds up a start for its time only', async () => {
  const { clock, inquiry, up } = await open(WITNESS, WITNESS, WITNESS)
  await up(1)
  await clock.advance(WITNESS_INQUIRY_MS_MAX - 1)
  expect(inquiry.pending).toBeDefined()

  await clock.advance(1)

  expect(inquiry.pending).toBeUndefined()
  expect(clock.armed()).toBe(0)
})

test('one that comes later is asked then, once, and waited for no longer than a request', async () => {
  const { clock, inquiry, asked, up, answer } = await open(WITNESS, WITNESS, WITNESS)
  await clock.advance(10 * WITNESS_INQUIRY_MS_MAX)

  await up(1)
  expect(inquiry.pending).toBeDefined()
  await answer(1, 1)
  expect(inquiry.pending).toBeUndefined()

  await up(2)
  await clock.advance(requestTimeoutMs)
  expect(inquiry.pending).toBeUndefined()
  await up(1)
  await up(2)
  expect(asked).toHaveLength(2)
})

test('a stop in the middle leaves nothing behind and lets go whoever waits', async () => {
  const { clock, inquiry, up } = await open(WITNESS, WITNESS, WITNESS)
  await up(1)
  const waiting = inquiry.pending

  await inquiry.stop()
  await waiting
  await up(2)

  expect(inquiry.pending).toBeUndefined()
  expect(clock.armed()).toBe(0)
})
