import { expect, test } from 'vitest'
import type { RegisterRequest } from '../../../../protocol/core/messages.ts'
import type { SharingSigner } from '../../../../protocol/core/ports.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { refOf } from '../../../../protocol/mesh/board/run-ledger.ts'
import { ChangeRun } from '../../../../protocol/mesh/registers/change-run.ts'
import { digest } from '../../../../protocol/wire/digest.ts'
import { PROTOCOLS } from '../../../../protocol/wire/ids.ts'
import { decodeRegisterRequest } from '../../../../protocol/wire/register-codec.ts'
import type { MemoryMesh, MemoryPeer } from '../../../support/memory-mesh.ts'
import { NO_FAULTS } from '../../../support/memory-transport.ts'
import { openMesh } from '../../../support/open-mesh.ts'

const LOST = { ...NO_FAULTS, lossRate: 1 }

function sentBy(mesh: MemoryMesh, peer: MemoryPeer): readonly RegisterRequest[] {
  return mesh.network.passed
    .filter(({ from, protocol }) => from === peer.peerId && protocol === PROTOCOLS.register)
    .map(({ body }) => decodeRegisterRequest(body))
}

function roundsOf(requests: readonly RegisterRequest[]): readonly number[] {
  return requests.flatMap((request) => ('ballot' in request ? [request.ballot.round] : []))
}

/** A change of the gateway that nobody answers, with what ends it. */
async function started() {
  const mesh = await openMesh()
  const gateway = mesh.peer(0)
  const sealed = mesh.announce()
  const { runId } = sealed.announcement
  const body = { kind: 'create', annHash: sealed.annHash } as const
  const op = gateway.signer.runOp(runId, '0e'.repeat(16), body)
  const stop = new AbortController()
  const options = { announcement: sealed.bytes }
  const change = (signal?: AbortSignal) => {
    return gateway.client.change(refOf(sealed, runId), op, { ...options, signal })
  }
  const idle = mesh.clock.armed()
  mesh.network.faults = LOST
  const ended = expect(change(stop.signal)).rejects.toThrow('given up')
  const giveUp = async () => {
    stop.abort(new Error('given up'))
    await ended
  }
  return { mesh, gateway, idle, change, giveUp }
}

test('an aborted change sends nothing more and leaves no timer behind', async () => {
  const { mesh, gateway, idle, giveUp } = await started()
  await mesh.clock.until(() => sentBy(mesh, gateway).length > 0, 1_000)
  await giveUp()
  mesh.network.passed.length = 0
  mesh.network.faults = NO_FAULTS

  await mesh.clock.advance(60_000)

  expect(sentBy(mesh, gateway)).toEqual([])
  expect(mesh.clock.armed()).toBe(idle)
})

test('answers that come after the abort make it neither read, prepare nor accept', async () => {
  const { mesh, gateway, giveUp } = await started()
  mesh.network.faults = { ...NO_FAULTS, delayMsMin: 20, delayMsMax: 21 }
  // The second wave is out, and its promises are on their way.
  await mesh.clock.until(() => sentBy(mesh, gateway).some(({ kind }) => kind === 'read'), 10_000)
  await mesh.clock.until(() => roundsOf(sentBy(mesh, gateway)).includes(2), 10_000)
  await giveUp()
  mesh.network.passed.length = 0

  await mesh.clock.advance(60_000)

  expect(sentBy(mesh, gateway)).toEqual([])
})

test('a client that stopped sends nothing for the changes that it ended', async () => {
  const mesh = await openMesh()
  const gateway = mesh.peer(0)
  mesh.network.faults = LOST
  const ended = expect(gateway.record(mesh.announce())).rejects.toMatchObject({ code: 'STOPPING' })
  await mesh.clock.until(() => sentBy(mesh, gateway).length >= 4, 20_000)

  await mesh.settle(gateway.client.stop())
  await ended
  mesh.network.passed.length = 0
  await mesh.clock.advance(60_000)

  expect(sentBy(mesh, gateway)).toEqual([])
})

test('a change after an aborted one shares no ballot with it', async () => {
  const { mesh, gateway, change, giveUp } = await started()
  await mesh.clock.until(() => sentBy(mesh, gateway).some(({ kind }) => kind === 'read'), 10_000)
  mesh.network.faults = { ...NO_FAULTS, delayMsMin: 20, delayMsMax: 21 }
  const reads = () => sentBy(mesh, gateway).filter(({ kind }) => kind === 'read').length
  const before = reads()
  // Answers to this wave of reads are on their way; they would lead to a prepare.
  await mesh.clock.until(() => reads() > before, 10_000)
  await giveUp()
  const used = roundsOf(sentBy(mesh, gateway))
  mesh.network.passed.length = 0

  expect((await mesh.settle(change())).kind).toMatch(/applied|same/)
  await mesh.clock.advance(1_000)

  const prepares = roundsOf(sentBy(mesh, gateway).filter(({ kind }) => kind === 'prepare'))
  expect(Math.min(...prepares)).toBeGreaterThan(Math.max(...used))
  // One wave a round, to the two witnesses that are not in this process.
  for (const round of prepares) expect(prepares.filter((one) => one === round)).toHaveLength(2)
})

test.each([
  ['aborted while its proposal is being signed sends no accept', true],
  ['signed late sends its accept then', false]
])('a change that is %s', async (_name, isAborted) => {
  const mesh = await openMesh()
  const gateway = mesh.peer(0)
  const sealed = mesh.announce()
  const ref = refOf(sealed, sealed.announcement.runId)
  const set = gateway.sets.of(ref.register, ref.witnessEpoch)
  if (set === undefined) throw new Error('a run has its witnesses')
  const asked = Promise.withResolvers<Parameters<SharingSigner['proposal']>>()
  const signed = Promise.withResolvers<string>()
  const proposal: SharingSigner['proposal'] = (...statement) => {
    asked.resolve(statement)
    return signed.promise
  }
  const { transport, signer, peerId: me, boot } = gateway
  const stop = new AbortController()
  const run = new ChangeRun(
    {
      transport,
      clock: mesh.clock,
      random: mesh.random,
      digest: digest(),
      signer: { proposal },
      log: silentLog()
    },
    {
      ...{ ...ref, me, boot, witnesses: set.witnesses, profile: set.profile },
      op: signer.runOp(ref.register, '0e'.repeat(16), { kind: 'create', annHash: sealed.annHash }),
      ...{ announcement: sealed.bytes, ambiguous: false, firstRound: 7 }
    },
    [stop.signal]
  )
  const ended = run.run().then(
    ({ result }) => result.kind,
    (error: unknown) => error
  )
  const statement = await mesh.settle(asked.promise)
  const given = new Error('given up')
  if (isAborted) stop.abort(given)
  signed.resolve(signer.proposal(...statement))

  expect(await mesh.settle(ended)).toBe(isAborted ? given : 'applied')
  await mesh.clock.advance(60_000)
  const accepts = sentBy(mesh, gateway).filter(({ kind }) => kind === 'accept')
  expect(accepts).toHaveLength(isAborted ? 0 : 2)
  // Used up either way: the next change of the register must not sign another value under it.
  expect(run.usedRound).toBe(7)
})
