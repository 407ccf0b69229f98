import { expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { RegisterReply } from '../../../protocol/core/messages.ts'
import type { Transport } from '../../../protocol/core/ports.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { refOf } from '../../../protocol/mesh/board/run-ledger.ts'
import { RegisterClient } from '../../../protocol/mesh/registers/register-client.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { openMesh } from '../../support/open-mesh.ts'
import { prepareOf, scopeOf } from '../../support/witness-asks.ts'

/** What the slow witness says to its first accept, long after the two others have accepted. */
type Late = (ask: () => Promise<RegisterReply>) => Promise<RegisterReply>

const refusal: RegisterReply = {
  kind: 'rejected',
  code: 'overload',
  promised: undefined,
  remainingMs: undefined,
  detail: 'every place is in use'
}

/** Records a run with a client that hears of one witness's accept only when the test says so. */
async function record(late: Late) {
  const mesh = await openMesh()
  const [gateway, slow] = [mesh.peer(0), mesh.peer(2)]
  const gate = Promise.withResolvers<void>()
  let accepts = 0
  const request: Transport['request'] = async (peer, message, options) => {
    const ask = () => gateway.transport.request(peer, message, options)
    if (peer !== slow.peerId || message.kind !== 'accept') return await ask()
    accepts += 1
    if (accepts > 1) return await ask()
    await gate.promise
    return await late(ask)
  }
  const client = new RegisterClient(
    {
      ...{ transport: { peerId: gateway.peerId, request }, clock: mesh.clock, random: mesh.random },
      ...{ digest: digest(), signer: gateway.signer, log: silentLog(), sets: gateway.sets },
      equivocations: gateway.equivocations
    },
    { boot: gateway.boot }
  )
  const sealed = mesh.announce()
  const { runId } = sealed.announcement
  const body = { kind: 'create', annHash: sealed.annHash } as const
  const op = gateway.signer.runOp(runId, '0e'.repeat(16), body)
  const announcement = sealed.bytes
  const result = await mesh.settle(client.change(refOf(sealed, runId), op, { announcement }))
  expect(result).toMatchObject({ kind: 'applied', lagging: [], outstanding: [slow.peerId] })
  gate.resolve()
  await mesh.clock.advance(5 * LEASE_PROFILES.short.requestTimeoutMs)
  await mesh.settle(client.stop())
  const read = await mesh.settle(gateway.ask(slow, { kind: 'read', scope: scopeOf(slow, sealed) }))
  const held = read.kind === 'value' ? read.accepted?.value.annHash : undefined
  return { accepts, isHeld: held === sealed.annHash }
}

test('a witness that refuses after the change is over is brought the chosen accept', async () => {
  expect(await record(async () => refusal)).toEqual({ accepts: 2, isHeld: true })
})

test('a witness that never answers is brought it as well', async () => {
  const lost: Late = () => {
    throw new MeshError('REQUEST_TIMED_OUT', { peer: 'slow', timeoutMs: 400 })
  }

  expect(await record(lost)).toEqual({ accepts: 2, isHeld: true })
})

test('a witness that accepts after the change is over is left alone', async () => {
  expect(await record((ask) => ask())).toEqual({ accepts: 1, isHeld: true })
})

/** Two of three witnesses have a run; the third lacks it, and is one that a test speaks for. */
async function lacking() {
  const mesh = await openMesh()
  const [gateway, slow] = [mesh.peer(0), mesh.peer(2)]
  const parts = { clock: mesh.clock, random: mesh.random, digest: digest(), log: silentLog() }
  const clientOf = (peer: typeof slow, request: Transport['request']): RegisterClient => {
    const { peerId, signer, sets, boot, equivocations } = peer
    const own = { transport: { peerId, request }, signer, sets, equivocations }
    return new RegisterClient({ ...parts, ...own }, { boot })
  }
  const writer = clientOf(gateway, async (peer, message, options) => {
    if (peer === slow.peerId) throw new MeshError('PEER_UNREACHABLE', { peer })
    return await gateway.transport.request(peer, message, options)
  })
  const sealed = mesh.announce()
  const { runId } = sealed.announcement
  const body = { kind: 'create', annHash: sealed.annHash } as const
  const op = gateway.signer.runOp(runId, '0e'.repeat(16), body)
  const ref = refOf(sealed, runId)
  await mesh.settle(writer.change(ref, op, { announcement: sealed.bytes }))
  await mesh.settle(writer.stop())
  const ask = (): Promise<RegisterReply> => {
    return mesh.settle(gateway.ask(slow, { kind: 'read', scope: scopeOf(slow, sealed) }))
  }
  const isHeld = { accepted: { value: { annHash: sealed.annHash } } }
  return { mesh, gateway, slow, sealed, ref, clientOf, ask, isHeld }
}

test('a witness that answers its own read last, and lacks what is chosen, brings it to itself', async () => {
  const { mesh, slow, ref, clientOf, ask, isHeld } = await lacking()
  const gate = Promise.withResolvers<void>()
  const reader = clientOf(slow, async (peer, message, options) => {
    if (peer === slow.peerId && message.kind === 'read') await gate.promise
    return await slow.transport.request(peer, message, options)
  })

  expect(await mesh.settle(reader.read(ref, { settle: 'never' }))).toMatchObject({ kind: 'chosen' })
  gate.resolve()
  await mesh.clock.advance(2 * LEASE_PROFILES.short.requestTimeoutMs)
  await mesh.settle(reader.stop())

  expect(await ask()).toMatchObject(isHeld)
})

test('a witness whose round to write back came to nothing begins another one', async () => {
  const { mesh, gateway, slow, sealed, ref, clientOf, ask, isHeld } = await lacking()
  // Of a proposer that is gone: no accept below it will be taken any more.
  await mesh.settle(gateway.ask(slow, prepareOf(gateway, scopeOf(slow, sealed), 5)))
  const others = Promise.withResolvers<void>()
  let [lost, answered] = [0, 0]
  const reader = clientOf(slow, async (peer, message, options) => {
    const isOwn = peer === slow.peerId
    if (!isOwn && message.kind === 'prepare' && lost < 2) {
      lost += 1
      throw new MeshError('REQUEST_TIMED_OUT', { peer, timeoutMs: 400 })
    }
    const isAfter = message.kind === 'read' && lost === 2
    // The others agree before it has answered: a read finds what is chosen, and nothing to write.
    if (isOwn && isAfter) await others.promise
    const reply = await slow.transport.request(peer, message, options)
    if (!isOwn && isAfter) answered += 1
    if (answered === 2) others.resolve()
    return reply
  })

  await mesh.settle(reader.read(ref, { settle: 'never' }))
  const { requestTimeoutMs, antiEntropyMs } = LEASE_PROFILES.short
  for (let look = 0; look < 8; look += 1) {
    await mesh.clock.advance(Math.max(requestTimeoutMs, antiEntropyMs))
  }
  await mesh.settle(reader.stop())

  expect(lost).toBe(2)
  expect(await ask()).toMatchObject(isHeld)
})
