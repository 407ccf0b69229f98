import { describe, expect, test, vi } from 'vitest'
import type { JobOpBody } from '../../../../protocol/core/job.ts'
import type {
  RegisterReply,
  RegisterRequest,
  RegisterScope
} from '../../../../protocol/core/messages.ts'
import {
  WITNESS_BYTES_FREE,
  WITNESS_BYTES_PER_UNIT,
  WITNESS_WORK_BURST
} from '../../../../protocol/core/witness-limits.ts'
import { encodeRegisterRequest } from '../../../../protocol/wire/register-codec.ts'
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

describe('what is large', () => {
  /** Some 0.9 MB, the most that one announcement may have being MANIFEST_BYTES_MAX. */
  const LARGE = Array.from({ length: 15 }, () => ({
    steps: [{ name: 'build', run: 'x'.repeat(60_000), timeoutMs: undefined }]
  }))
  const COUNT = 60
  /** How many of these are answered as they should be, and how many refused as too much. */
  const counted = async (mesh: MemoryMesh, asked: readonly Promise<RegisterReply>[]) => {
    const replies = (await mesh.settle(Promise.all(asked))).map(codeOf)
    const refused = replies.filter((code) => code === 'overload').length
    return { taken: replies.length - refused, refused }
  }
  /** As many as the burst pays for by their bytes, and some more by what is earned meanwhile. */
  const expectSlowed = async (mesh: MemoryMesh, asked: readonly Promise<RegisterReply>[]) => {
    const { taken, refused } = await counted(mesh, asked)
    expect(taken).toBeGreaterThan(20)
    expect(taken).toBeLessThan(COUNT - 10)
    expect(refused).toBe(COUNT - taken)
  }
  const largeRuns = (mesh: MemoryMesh) => {
    return Array.from({ length: COUNT }, (_, at) => {
      return mesh.announce({ jobs: LARGE, commit: at.toString(16).padStart(4, 'b') })
    })
  }
  /** Sends them as the network does, whose time would pay for some more. */
  const send = (by: MemoryPeer, witness: MemoryPeer, request: RegisterRequest) => {
    const bytes = encodeRegisterRequest(request).byteLength
    return witness.service.handle(by.peerId, request, bytes)
  }

  test('is charged by its bytes: who sends nothing else is slowed down, and nobody beside it', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const asked = largeRuns(mesh).map((sealed) => {
      const fields = { announcement: sealed.bytes }
      const value = runValue(gateway, sealed)
      return send(gateway, witness, acceptOf(gateway, scopeOf(witness, sealed), value, fields))
    })

    await expectSlowed(mesh, asked)
    const small = Array.from({ length: 500 }, () => {
      return send(agent, witness, { kind: 'announcement', annHash: 'ab'.repeat(32) })
    })
    expect(await counted(mesh, small)).toEqual({ taken: 500, refused: 0 })
  })

  test('is charged to who asks for it, too', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce({ jobs: LARGE })
    await mesh.settle(gateway.record(sealed))
    const { annHash } = sealed
    const ask = (by: MemoryPeer) => send(by, witness, { kind: 'announcement', annHash })
    const codes: string[] = []
    for (let at = 0; at < COUNT; at += 1) codes.push(codeOf(await mesh.settle(ask(agent))))

    const taken = codes.filter((code) => code === 'announcement').length
    expect(taken).toBeGreaterThan(20)
    expect(taken).toBeLessThan(COUNT - 10)
    expect(codeOf(await mesh.settle(ask(gateway)))).toBe('announcement')
  })

  test('is charged where a witness has to fetch it for its sender', async () => {
    const mesh = await open()
    const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
    const codes: string[] = []
    for (const sealed of largeRuns(mesh)) {
      gateway.shelf.put(sealed)
      const accept = acceptOf(gateway, scopeOf(witness, sealed), runValue(gateway, sealed))
      codes.push(codeOf(await mesh.settle(send(gateway, witness, accept))))
    }

    expect(codes.filter((code) => code === 'accepted').length).toBeGreaterThan(20)
    expect(codes.at(-1)).toBe('overload')
  })

  test('ends no lease: who owes a witness for all of it still renews there', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    const claimId = 'ab'.repeat(16)
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    await mesh.settle(agent.claim(sealed, claimId))
    await mesh.clock.advance(50)
    const items = [renewalOf(agent, scopeOf(witness, sealed, 0), 1, claimId)]
    witness.service.chargeBytes(agent.peerId, 10 * WITNESS_WORK_BURST * WITNESS_BYTES_PER_UNIT)

    const other = agent.ask(witness, { kind: 'announcement', annHash: sealed.annHash })
    expect(codeOf(await mesh.settle(other))).toBe('overload')
    const renewed = await mesh.settle(agent.ask(witness, { kind: 'renew', items, seenSeq: 0 }))
    expect(renewed).toMatchObject({ kind: 'renewed', items: [{ answer: 'ok' }] })
  })

  test('is no message of a usual cycle: none of them costs more for its bytes', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const seen: number[] = []
    const handle = witness.service.handle.bind(witness.service)
    witness.service.handle = async (remote, request, bytes = 0) => {
      seen.push(bytes)
      return await handle(remote, request, bytes)
    }
    const step = {
      name: 'test',
      run: 'npm ci && npm test -- --reporter=verbose',
      timeoutMs: undefined
    }
    const env = { CI: 'true', NODE_OPTIONS: '--max-old-space-size=4096' }
    const sealed = mesh.announce({ jobs: [{ env, steps: [step, step, step] }] })
    await mesh.settle(gateway.record(sealed))
    const claimId = '0c'.repeat(16)
    await mesh.settle(agent.create(sealed))
    await mesh.settle(agent.claim(sealed, claimId))
    const release = {
      kind: 'release',
      epoch: 1,
      claimId,
      reason: 'drained',
      userCodeRan: false
    } as const
    await mesh.settle(agent.change(sealed, release))

    expect(seen.length).toBeGreaterThan(6)
    expect(Math.max(...seen)).toBeLessThan(WITNESS_BYTES_FREE)
  })
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

test('what peers ask in one turn is timed by one look, what a witness asks of itself by its own', async () => {
  const mesh = await open()
  const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
  const read = { kind: 'read', scope: scopeOf(witness, mesh.announce()) } as const
  const ask = (by: MemoryPeer, times: number) => {
    const asked = Array.from({ length: times }, () => witness.service.handle(by.peerId, read))
    return mesh.settle(Promise.all(asked))
  }
  await ask(agent, 1)
  const looks = vi.spyOn(mesh.clock, 'bootMs')

  await ask(agent, 5)
  expect(looks).toHaveBeenCalledTimes(1)
  await ask(witness, 3)
  expect(looks).toHaveBeenCalledTimes(4)
})
