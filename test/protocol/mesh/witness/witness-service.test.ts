import { expect, test } from 'vitest'
import type { JobOpBody } from '../../../../protocol/core/job.ts'
import { WITNESS_WORK_BURST } from '../../../../protocol/core/limits.ts'
import type { RegisterRequest, RegisterScope } from '../../../../protocol/core/messages.ts'
import { type MemoryMesh, type MemoryPeer, THREE } from '../../../support/memory-mesh.ts'
import { openMesh as open } from '../../../support/open-mesh.ts'
import {
  acceptOf,
  codeOf,
  jobValue,
  prepareOf,
  renewalOf,
  runValue,
  scopeOf,
  watched
} from '../../../support/witness-asks.ts'

/** What one request for an announcement costs. */
const ANNOUNCEMENT_UNITS = 8

test('a request for another store, register or epoch is refused', async () => {
  const mesh = await open({ roles: [...THREE, ['witness'], ['witness'], ['witness']] })
  const [gateway] = mesh.peers
  const sealed = mesh.announce()
  const set = mesh.peer(0).sets.of(sealed.announcement.runId, 1)
  const inside = mesh.peers.filter(({ peerId }) => set?.witnesses.some((w) => w.peerId === peerId))
  const outside = mesh.peers.find((peer) => !inside.includes(peer))
  const witness = inside.find((peer) => peer !== gateway)
  if (gateway === undefined || outside === undefined || witness === undefined) {
    throw new Error('six witnesses of which five are asked')
  }
  const scope = scopeOf(witness, sealed)
  const ask = (peer: MemoryPeer, asked: RegisterScope) => {
    return mesh.settle(gateway.ask(peer, { kind: 'read', scope: asked }).then(codeOf))
  }

  expect(await ask(witness, scope)).toBe('value')
  expect(await ask(witness, { ...scope, storeId: 'cc'.repeat(16) })).toBe('wrong_store')
  expect(await ask(witness, { ...scope, witnessEpoch: 7 })).toBe('wrong_roster')
  expect(await ask(outside, scopeOf(outside, sealed))).toBe('wrong_roster')
})

test('a peer that is no member is refused, even by a witness that knows nothing else', async () => {
  const mesh = await open()
  const scope = scopeOf(mesh.peer(2), mesh.announce())

  const reply = await mesh.settle(
    mesh.peer(2).service.handle('12D3KooWStranger', { kind: 'read', scope })
  )

  expect(codeOf(reply)).toBe('not_allowed')
})

test('while others are asked what they saw of its store, a witness shows nothing of it', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const scope = scopeOf(witness, sealed)
  const { storeId } = witness.store
  const { annHash } = sealed
  const fields = { round: 2, announcement: sealed.bytes }
  const accept = acceptOf(gateway, scope, runValue(gateway, sealed), fields)
  const shown: readonly RegisterRequest[] = [
    { kind: 'read', scope },
    prepareOf(agent, scope),
    { kind: 'renew', items: [renewalOf(agent, scope, 1, 'ab'.repeat(16))], seenSeq: 0 },
    accept
  ]
  // Two witnesses that start at once must not wait for each other's answers.
  const others: readonly RegisterRequest[] = [
    { kind: 'seen', storeId },
    { kind: 'announcement', annHash },
    { kind: 'sync', storeId, sinceSeq: 0, limit: 1, openOnly: false, seenSeq: 0 }
  ]
  const asked = Promise.withResolvers<void>()
  witness.inquiry.pending = asked.promise
  const ask = (request: RegisterRequest) => {
    const by = request === accept ? gateway : agent
    return witness.service.handle(by.peerId, request).then(codeOf)
  }
  const waiting = shown.map((request) => ask(request))
  const settled = waiting.map(watched)
  const answers = await mesh.settle(Promise.all(others.map((request) => ask(request))))
  await mesh.clock.advance(50)

  expect(answers).toEqual(['seen', 'announcement', 'synced'])
  expect(settled.map((one) => one.settled())).toEqual(shown.map(() => false))

  witness.inquiry.pending = undefined
  asked.resolve()
  const kinds = await mesh.settle(Promise.all(waiting))
  expect(kinds).toEqual(['value', 'promise', 'renewed', 'accepted'])
})

test('one peer that asks too much is refused, the others are not', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const request: RegisterRequest = { kind: 'announcement', annHash: 'ab'.repeat(32) }
  const enough = WITNESS_WORK_BURST / ANNOUNCEMENT_UNITS
  const flood = Array.from({ length: enough + 1 }, () => {
    return witness.service.handle(gateway.peerId, request)
  })

  const replies = await mesh.settle(Promise.all(flood))

  expect(replies.filter((reply) => codeOf(reply) === 'announcement')).toHaveLength(enough)
  expect(replies.filter((reply) => codeOf(reply) === 'overload')).toHaveLength(1)
  const other = await mesh.settle(witness.service.handle(agent.peerId, request))
  expect(codeOf(other)).toBe('announcement')
})

test.each<[string, JobOpBody['kind'], (mesh: MemoryMesh) => MemoryPeer]>([
  ['a gateway that claims', 'claim', (mesh) => mesh.peer(0)],
  ['a mere witness that claims', 'claim', (mesh) => mesh.peer(3)],
  ['a mere witness that cancels', 'cancel', (mesh) => mesh.peer(3)]
])('%s is refused', async (_name, kind, actorOf) => {
  const mesh = await open({ roles: [...THREE, ['witness']] })
  const actor = actorOf(mesh)
  const sealed = mesh.announce()
  const set = actor.sets.of(sealed.announcement.runId, 1)
  const witness = mesh.peers.find((peer) => {
    return peer !== actor && set?.witnesses.some(({ peerId }) => peerId === peer.peerId)
  })
  if (witness === undefined) throw new Error('no witness')
  await mesh.settle(mesh.peer(0).record(sealed))
  await mesh.settle(mesh.peer(1).create(sealed))
  const scope = scopeOf(witness, sealed, 0)
  const read = await mesh.settle(actor.ask(witness, { kind: 'read', scope }))
  const prev = read.kind === 'value' ? read.accepted?.value : undefined
  const body: JobOpBody =
    kind === 'claim'
      ? { kind, claimId: 'cd'.repeat(16), boot: actor.boot, leaseMs: 3_000 }
      : { kind: 'cancel', reason: 'because' }
  const value = jobValue(actor, scope, body, prev)

  const reply = await mesh.settle(actor.ask(witness, acceptOf(actor, scope, value, { round: 50 })))

  expect(codeOf(reply)).toBe('not_allowed')
})

test('a claim with a lease that is not of the roster is refused', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const scope = scopeOf(witness, sealed, 0)
  const read = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
  const prev = read.kind === 'value' ? read.accepted?.value : undefined
  const body = { kind: 'claim', claimId: 'cd'.repeat(16), boot: agent.boot } as const
  const value = jobValue(agent, scope, { ...body, leaseMs: 30_000 }, prev)

  const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value, { round: 50 })))

  expect(reply).toMatchObject({ kind: 'rejected', code: 'invalid' })
})
