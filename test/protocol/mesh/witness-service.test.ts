import { afterEach, describe, expect, test } from 'vitest'
import type { Ballot } from '../../../protocol/core/ballot.ts'
import type { JobOpBody } from '../../../protocol/core/job.ts'
import { MANIFEST_BYTES_MAX, WITNESS_WORK_BURST } from '../../../protocol/core/limits.ts'
import type {
  RegisterReply,
  RegisterRequest,
  RegisterScope,
  RegisterValue
} from '../../../protocol/core/messages.ts'
import { reduce } from '../../../protocol/core/register-reducer.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../protocol/core/run.ts'
import { refOf } from '../../../protocol/mesh/run-ledger.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { MemoryMesh, type MemoryPeer, THREE } from '../../support/memory-mesh.ts'

const meshes: MemoryMesh[] = []

async function open(options: Parameters<typeof MemoryMesh.open>[0] = {}): Promise<MemoryMesh> {
  const mesh = await MemoryMesh.open(options)
  meshes.push(mesh)
  return mesh
}

afterEach(async () => {
  for (const mesh of meshes.splice(0)) await mesh.stop()
})

function scopeOf(peer: MemoryPeer, sealed: SealedAnnouncement, index?: number): RegisterScope {
  const { runId } = sealed.announcement
  const register = index === undefined ? runId : jobIdOf(runId, index)
  return { ...refOf(sealed, register), storeId: peer.store.storeId }
}

function ballotOf(peer: MemoryPeer, round: number): Ballot {
  return { round, peer: peer.peerId, boot: peer.boot }
}

function prepareOf(by: MemoryPeer, scope: RegisterScope, round = 1): RegisterRequest {
  return { kind: 'prepare', scope, ballot: ballotOf(by, round), intent: 'op' }
}

/** An accept of what `by` makes of `prev`, signed as it must be. */
function acceptOf(
  by: MemoryPeer,
  scope: RegisterScope,
  value: RegisterValue,
  fields: { readonly round?: number; readonly announcement?: Uint8Array } = {}
): Extract<RegisterRequest, { kind: 'accept' }> {
  const ballot = ballotOf(by, fields.round ?? 1)
  const hash = digest().hash(value)
  const proposerSig = by.signer.proposal(scope.register, scope.witnessEpoch, ballot, hash)
  return { kind: 'accept', scope, ballot, value, proposerSig, announcement: fields.announcement }
}

function runValue(by: MemoryPeer, sealed: SealedAnnouncement): RegisterValue {
  const { runId } = sealed.announcement
  const op = by.signer.runOp(runId, '0a'.repeat(16), { kind: 'create', annHash: sealed.annHash })
  return made(reduce(undefined, runId, op, digest()))
}

function jobValue(
  by: MemoryPeer,
  scope: RegisterScope,
  body: JobOpBody,
  prev?: RegisterValue
): RegisterValue {
  const op = by.signer.jobOp(scope.register, by.boot.repeat(2), body)
  return made(reduce(prev, scope.register, op, digest()))
}

function made(reduction: ReturnType<typeof reduce>): RegisterValue {
  if (reduction.kind !== 'next') throw new Error(`the op makes nothing: ${reduction.kind}`)
  return reduction.value
}

function codeOf(reply: RegisterReply): string {
  return reply.kind === 'rejected' ? reply.code : reply.kind
}

/** A promise as the test sees it: settled or not. */
function watched<T>(promise: Promise<T>): { readonly settled: () => boolean } {
  let settled = false
  const note = () => {
    settled = true
  }
  promise.then(note, note)
  return { settled: () => settled }
}

describe('what a witness says is durable', () => {
  test('a promise, an accept, a read and a renewal leave only after the sync', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    const scope = scopeOf(witness, sealed, 0)
    witness.store.hold()
    const claimed = await mesh.settle(agent.claim(sealed, 'ab'.repeat(16)))
    expect(claimed.kind).toBe('applied')
    const asked = [
      agent.ask(witness, { kind: 'read', scope }),
      agent.ask(witness, prepareOf(agent, scope, 40)),
      agent.ask(witness, {
        kind: 'renew',
        items: [renewalOf(agent, scope, 1, 'ab'.repeat(16))]
      })
    ]
    const waiting = asked.map(watched)
    await mesh.clock.advance(100)

    expect(waiting.map(({ settled }) => settled())).toEqual([false, false, false])

    witness.store.release()
    const [read, promised, renewed] = await mesh.settle(Promise.all(asked))
    expect(read).toMatchObject({ kind: 'value', accepted: { value: { phase: 'leased' } } })
    expect(promised).toMatchObject({ kind: 'promise', accepted: { value: { phase: 'leased' } } })
    expect(renewed).toMatchObject({ kind: 'renewed', items: [{ answer: 'ok' }] })
    expect(read?.kind === 'value' && read.wseq).toBeGreaterThan(0)
  })

  test('a refusal needs no sync', async () => {
    const mesh = await open()
    const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
    const scope = scopeOf(witness, mesh.announce())
    await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 5)))
    witness.store.hold()

    const reply = await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 5)))

    expect(codeOf(reply)).toBe('ballot')
  })

  test('after a failed sync nothing is answered any more, and the owner is told once', async () => {
    const mesh = await open()
    const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
    const sealed = mesh.announce()
    witness.store.fail()

    const asked = mesh.settle(gateway.ask(witness, prepareOf(gateway, scopeOf(witness, sealed))))
    await expect(asked).rejects.toMatchObject({ facts: { refusal: 'STORE_FAILED' } })
    const later = mesh.settle(
      gateway.ask(witness, { kind: 'announcement', annHash: sealed.annHash })
    )
    await expect(later).rejects.toMatchObject({ facts: { refusal: 'STORE_FAILED' } })
    expect(witness.failures.map(({ code }) => code)).toEqual(['STORE_FAILED'])
  })
})

function renewalOf(agent: MemoryPeer, scope: RegisterScope, epoch: number, claimId: string) {
  const stage = { name: 'step', step: 1, steps: 2 } as const
  return { scope, epoch, claimId, boot: agent.boot, stage }
}

describe('a witness that restarts', () => {
  test('keeps the promises that it gave', async () => {
    const mesh = await open()
    const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
    const scope = scopeOf(witness, mesh.announce())
    await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 9)))

    await mesh.settle(witness.restart())

    const lower = await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 8)))
    expect(lower).toMatchObject({ kind: 'rejected', code: 'ballot', promised: { round: 9 } })
  })

  test('counts every lease as renewed when it started, not when it was looked at', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    await mesh.settle(agent.claim(sealed))
    await mesh.clock.advance(3_000)
    await mesh.settle(witness.restart())
    await mesh.clock.advance(1_000)

    const read = await mesh.settle(
      agent.ask(witness, { kind: 'read', scope: scopeOf(witness, sealed, 0) })
    )

    const left = read.kind === 'value' ? read.lease?.remainingMs : undefined
    expect(left).toBeGreaterThan(2_400)
    expect(left).toBeLessThanOrEqual(2_500)
  })
})

describe('who may ask a witness what', () => {
  test('a request for another store, register or epoch is refused', async () => {
    const mesh = await open({ roles: [...THREE, ['witness'], ['witness'], ['witness']] })
    const [gateway] = mesh.peers
    const sealed = mesh.announce()
    const set = mesh.peer(0).sets.of(sealed.announcement.runId, 1)
    const inside = mesh.peers.filter(({ peerId }) =>
      set?.witnesses.some((w) => w.peerId === peerId)
    )
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

  test('one peer that asks too much is refused, the others are not', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const scope = scopeOf(witness, mesh.announce())
    const request: RegisterRequest = { kind: 'read', scope }
    const flood = Array.from({ length: WITNESS_WORK_BURST + 1 }, () => {
      return witness.service.handle(gateway.peerId, request)
    })

    const replies = await mesh.settle(Promise.all(flood))

    expect(codeOf(replies.at(-1) as RegisterReply)).toBe('overload')
    expect(replies.filter((reply) => codeOf(reply) === 'value')).toHaveLength(WITNESS_WORK_BURST)
    const other = await mesh.settle(witness.service.handle(agent.peerId, request))
    expect(codeOf(other)).toBe('value')
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

    const reply = await mesh.settle(
      actor.ask(witness, acceptOf(actor, scope, value, { round: 50 }))
    )

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

    const reply = await mesh.settle(
      agent.ask(witness, acceptOf(agent, scope, value, { round: 50 }))
    )

    expect(reply).toMatchObject({ kind: 'rejected', code: 'invalid' })
  })
})

describe('the first value of a register', () => {
  test('a run comes with the bytes of its announcement, by a gateway of that roster', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    const foreign = mesh.announce({ by: agent })
    const forged = sealed.bytes.slice()
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    const accept = (announcement: Uint8Array, of = sealed, by = gateway) => {
      const value = runValue(gateway, of)
      const request = acceptOf(by, scopeOf(witness, of), value, { announcement })
      return mesh.settle(by.ask(witness, request).then(codeOf))
    }

    expect(await accept(forged)).toBe('invalid')
    expect(await accept(foreign.bytes)).toBe('invalid')
    expect(await accept(foreign.bytes, foreign)).toBe('invalid')
    expect(await accept(sealed.bytes)).toBe('accepted')
  })

  test('an oversized announcement is refused before it is opened', async () => {
    const mesh = await open()
    const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
    const sealed = mesh.announce()
    const announcement = new Uint8Array(MANIFEST_BYTES_MAX + 1)
    const value = runValue(gateway, sealed)
    const request = acceptOf(gateway, scopeOf(witness, sealed), value, { announcement })

    const reply = await mesh.settle(witness.service.handle(gateway.peerId, request))

    expect(codeOf(reply)).toBe('invalid')
  })

  test('only a gateway may record a run, whoever announced it', async () => {
    const mesh = await open()
    const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    const announcement = sealed.bytes
    const value = runValue(agent, sealed)

    const request = acceptOf(agent, scopeOf(witness, sealed), value, { announcement })

    expect(codeOf(await mesh.settle(agent.ask(witness, request)))).toBe('not_allowed')
  })

  test('a job is created by its manifest alone', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce({ jobs: [{ onLoss: 'error' }, {}] })
    await mesh.settle(gateway.record(sealed))
    const { annHash } = sealed
    const create = async (index: number, attemptsMax: number) => {
      const scope = scopeOf(witness, sealed, index)
      const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax })
      return codeOf(await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value))))
    }

    expect(await create(0, 3)).toBe('invalid')
    expect(await create(2, 3)).toBe('invalid')
    expect(await create(1, 1)).toBe('invalid')
    expect(await create(0, 1)).toBe('accepted')
    expect(await create(1, 3)).toBe('accepted')
  })

  test('a witness without the announcement asks for it, and keeps it', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    mesh.network.isolate(witness.peerId)
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    mesh.network.heal()
    const scope = scopeOf(witness, sealed, 0)
    const { annHash } = sealed
    const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax: 3 })

    const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))

    expect(codeOf(reply)).toBe('accepted')
    await mesh.settle(witness.restart())
    const kept = await mesh.settle(agent.ask(witness, { kind: 'announcement', annHash }))
    expect(kept.kind === 'announcement' && kept.bytes).toEqual(sealed.bytes)
  })

  test('an announcement that nobody has keeps the job from being created', async () => {
    const mesh = await open()
    const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    const scope = scopeOf(witness, sealed, 0)
    const { annHash } = sealed
    const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax: 3 })

    const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))

    expect(codeOf(reply)).toBe('announcement_missing')
  })

  test('a value with a forged signature is refused', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    const scope = scopeOf(witness, sealed, 0)
    const body = { kind: 'create', annHash: sealed.annHash, attemptsMax: 3 } as const
    const own = jobValue(agent, scope, body)
    if (own.kind !== 'job') throw new Error('a job was made')
    // The gateway's name under the agent's signature.
    const op = { ...own.op, actor: gateway.peerId }
    const lastOps = [{ opId: op.opId, actor: op.actor }]
    const value = { ...own, op, lastOps }

    const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))

    expect(reply).toMatchObject({ kind: 'rejected', code: 'invalid' })
  })
})

describe('leases', () => {
  test('two values under one ballot are refused and reported', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    const scope = scopeOf(witness, sealed, 0)
    const read = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
    const prev = read.kind === 'value' ? read.accepted?.value : undefined
    const claim = (claimId: string) => {
      const body = { kind: 'claim', claimId, boot: agent.boot, leaseMs: 3_000 } as const
      return acceptOf(agent, scope, jobValue(agent, scope, body, prev), { round: 30 })
    }
    await mesh.settle(agent.ask(witness, claim('0c'.repeat(16))))

    const reply = await mesh.settle(agent.ask(witness, claim('0d'.repeat(16))))

    expect(codeOf(reply)).toBe('equivocation')
    expect(witness.logged.some((line) => line.includes('equivocation found'))).toBe(true)
  })

  test('a hundred renewals are one message and no write', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const runs = Array.from({ length: 100 }, (_, index) => {
      return mesh.announce({ commit: index.toString(16).padStart(4, 'a') })
    })
    await mesh.settle(Promise.all(runs.map((sealed) => gateway.record(sealed))))
    await mesh.settle(Promise.all(runs.map((sealed) => agent.create(sealed))))
    await mesh.settle(Promise.all(runs.map((sealed) => agent.claim(sealed, 'ab'.repeat(16)))))
    await mesh.clock.advance(50)
    const items = runs.map((sealed) => {
      return renewalOf(agent, scopeOf(witness, sealed, 0), 1, 'ab'.repeat(16))
    })
    const [saves, passed] = [witness.store.saves, mesh.network.passed.length]

    const reply = await mesh.settle(agent.ask(witness, { kind: 'renew', items }))

    const answers = reply.kind === 'renewed' ? reply.items.map(({ answer }) => answer) : []
    expect(answers).toEqual(Array.from({ length: 100 }, () => 'ok'))
    expect(witness.store.saves).toBe(saves)
    expect(mesh.network.passed.length).toBe(passed + 1)
  })

  test('renewals of what this witness does not keep are left out of the answer', async () => {
    const mesh = await open()
    const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
    const scope = scopeOf(witness, mesh.announce(), 0)
    const wrong = { ...scope, storeId: 'cc'.repeat(16) }
    const items = [scope, wrong].map((one) => renewalOf(agent, one, 1, 'ab'.repeat(16)))

    const reply = await mesh.settle(agent.ask(witness, { kind: 'renew', items }))

    expect(reply).toMatchObject({ kind: 'renewed', items: [{ answer: 'behind' }] })
    expect(reply.kind === 'renewed' && reply.items).toHaveLength(1)
  })

  test('a lease that runs out is told, and told again more and more seldom', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    await mesh.settle(agent.claim(sealed))
    await mesh.clock.advance(3_000)
    expect(witness.expired).toEqual([])

    await mesh.clock.advance(1_100)
    expect(witness.expired).toMatchObject([{ version: 2, witnessEpoch: 1 }])

    await mesh.clock.advance(30_000)
    expect(witness.expired).toHaveLength(3)
  })
})

describe('what changed at a witness', () => {
  test('SYNC names each changed register once, page by page', async () => {
    const mesh = await open()
    const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
    const sealed = mesh.announce()
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    await mesh.settle(agent.claim(sealed))
    await mesh.clock.advance(20)
    const { storeId } = witness.store
    const sync = (sinceSeq: number) =>
      mesh.settle(
        agent.ask(witness, { kind: 'sync', storeId, sinceSeq, limit: 1, openOnly: false })
      )

    const first = await sync(0)
    const second = await sync(first.kind === 'synced' ? first.next : 0)

    const { runId } = sealed.announcement
    expect(first).toMatchObject({ items: [{ register: runId, version: 1 }], more: true })
    expect(second).toMatchObject({
      items: [{ register: jobIdOf(runId, 0), version: 2, phase: 'leased' }],
      more: false
    })
  })

  test('a store that went back is found out by a witness, and only refused by others', async () => {
    const mesh = await open({ roles: [...THREE, ['agent']] })
    const [mate, other, witness] = [mesh.peer(1), mesh.peer(3), mesh.peer(2)]
    const { storeId } = witness.store
    const ask = (by: MemoryPeer) =>
      mesh.settle(
        by
          .ask(witness, { kind: 'sync', storeId, sinceSeq: 999, limit: 1, openOnly: false })
          .then(codeOf)
      )

    expect(await ask(other)).toBe('wrong_store')
    expect(witness.rollbacks).toEqual([])
    expect(await ask(mate)).toBe('wrong_store')
    expect(witness.rollbacks).toHaveLength(1)
  })
})
