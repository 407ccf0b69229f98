import { expect, test } from 'vitest'
import type { Transport } from '../../../../protocol/core/ports.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../../protocol/core/run.ts'
import { refOf } from '../../../../protocol/mesh/board/run-ledger.ts'
import type { ChangeRef } from '../../../../protocol/mesh/registers/register-client.ts'
import { Renewals } from '../../../../protocol/mesh/registers/renewals.ts'
import { decodeRegisterRequest } from '../../../../protocol/wire/register-codec.ts'
import type { MemoryMesh, MemoryPeer } from '../../../support/memory-mesh.ts'
import { openMesh } from '../../../support/open-mesh.ts'

const CLAIM = 'ab'.repeat(16)
const STAGE = { name: 'step', step: 1, steps: 2 } as const

/** A run whose jobs the second peer holds. */
async function heldJobs(mesh: MemoryMesh, count: number): Promise<SealedAnnouncement> {
  const [gateway, agent] = [mesh.peer(0), mesh.peer(1)]
  const sealed = mesh.announce({ jobs: Array.from({ length: count }, () => ({})) })
  await mesh.settle(gateway.record(sealed))
  for (let index = 0; index < count; index += 1) {
    await mesh.settle(agent.create(sealed, index))
    await mesh.settle(agent.claim(sealed, CLAIM, index))
  }
  await mesh.clock.advance(50)
  return sealed
}

function leaseOf(sealed: SealedAnnouncement, index: number, epoch = 1) {
  const ref = refOf(sealed, jobIdOf(sealed.announcement.runId, index))
  return { ref, epoch, claimId: CLAIM, stage: STAGE }
}

function renewalsOf(mesh: MemoryMesh, agent: MemoryPeer, behind: ChangeRef[] = []): Renewals {
  const { transport, sets, seen, boot } = agent
  const onBehind = (ref: ChangeRef) => behind.push(ref)
  return new Renewals({ transport, sets, seen, clock: mesh.clock, onBehind }, { boot })
}

test('all leases of an agent go in one message to each witness, and none to its own', async () => {
  const mesh = await openMesh()
  const agent = mesh.peer(1)
  const sealed = await heldJobs(mesh, 5)
  mesh.network.passed.length = 0
  const saves = mesh.peers.map(({ store }) => store.saves)
  const leases = Array.from({ length: 5 }, (_, index) => leaseOf(sealed, index))

  const tallies = await mesh.settle(renewalsOf(mesh, agent).renew(leases))

  expect(tallies.map(({ oks, quorum }) => oks >= quorum)).toEqual([true, true, true, true, true])
  await mesh.clock.advance(50)
  const sent = mesh.network.passed.map(({ to, body }) => [to, decodeRegisterRequest(body)] as const)
  const to = new Set(sent.map(([peer]) => peer))
  expect(to).toEqual(new Set([mesh.peer(0).peerId, mesh.peer(2).peerId]))
  const counts = sent.map(([, request]) => request.kind === 'renew' && request.items.length)
  expect(counts).toEqual([5, 5])
  expect(mesh.peers.map(({ store }) => store.saves)).toEqual(saves)
})

test('a lease counts from before its renewal left', async () => {
  const mesh = await openMesh()
  const sealed = await heldJobs(mesh, 1)
  mesh.network.faults = { lossRate: 0, delayMsMin: 100, delayMsMax: 101 }
  const startMs = mesh.clock.bootMs()

  const [tally] = await mesh.settle(renewalsOf(mesh, mesh.peer(1)).renew([leaseOf(sealed, 0)]))

  expect(tally?.startedAtMs).toBe(startMs)
  expect(mesh.clock.bootMs()).toBeGreaterThan(startMs + 100)
})

test('with one witness gone a quorum still renews, without waiting for it', async () => {
  const mesh = await openMesh()
  const sealed = await heldJobs(mesh, 1)
  await mesh.peer(2).node.stop()

  const [tally] = await mesh.settle(renewalsOf(mesh, mesh.peer(1)).renew([leaseOf(sealed, 0)]))

  expect(tally).toMatchObject({ oks: 2, quorum: 2 })
})

test('cut off from all others a holder counts no quorum, after one request time', async () => {
  const mesh = await openMesh()
  const sealed = await heldJobs(mesh, 1)
  const startMs = mesh.clock.bootMs()
  mesh.network.faults = { lossRate: 1, delayMsMin: 1, delayMsMax: 2 }

  const [tally] = await mesh.settle(renewalsOf(mesh, mesh.peer(1)).renew([leaseOf(sealed, 0)]))

  expect(tally).toMatchObject({ oks: 1, quorum: 2 })
  expect(mesh.clock.bootMs() - startMs).toBe(400)
})

test('a witness that missed the claim says behind, and a later lease makes all say stale', async () => {
  const mesh = await openMesh()
  const agent = mesh.peer(1)
  const sealed = await heldJobs(mesh, 1)
  const behind: ChangeRef[] = []
  const renewals = renewalsOf(mesh, agent, behind)

  const [early] = await mesh.settle(renewals.renew([leaseOf(sealed, 0, 2)]))
  expect(early).toMatchObject({ oks: 0, behind: 3, stale: 0 })
  expect(behind).toHaveLength(3)

  const released = agent.change(sealed, {
    kind: 'release',
    epoch: 1,
    claimId: CLAIM,
    reason: 'drained',
    userCodeRan: false
  })
  await mesh.settle(released)
  await mesh.clock.advance(50)
  const [late] = await mesh.settle(renewals.renew([leaseOf(sealed, 0)]))
  expect(late).toMatchObject({ oks: 0, stale: 3 })
})

test('a cancel reaches the holder with its next renewal', async () => {
  const mesh = await openMesh()
  const sealed = await heldJobs(mesh, 1)
  await mesh.settle(mesh.peer(0).change(sealed, { kind: 'cancel', reason: 'superseded' }))

  const [tally] = await mesh.settle(renewalsOf(mesh, mesh.peer(1)).renew([leaseOf(sealed, 0)]))

  expect(tally?.cancel).toEqual({ by: mesh.peer(0).peerId, reason: 'superseded' })
  expect(tally?.oks).toBeGreaterThanOrEqual(2)
})

test('a lease whose roster is not known here gets no word, the others do', async () => {
  const mesh = await openMesh()
  const sealed = await heldJobs(mesh, 1)
  const lease = leaseOf(sealed, 0)
  const foreign = { ...lease, ref: { ...lease.ref, witnessEpoch: 9 } }

  const tallies = await mesh.settle(renewalsOf(mesh, mesh.peer(1)).renew([foreign, lease]))

  expect(tallies.map(({ oks }) => oks > 1)).toEqual([false, true])
})

test.each(['behind', 'fenced'] as const)('a cancel with %s counts as none', async (no) => {
  const mesh = await openMesh()
  const agent = mesh.peer(1)
  const sealed = await heldJobs(mesh, 1)
  const cancel = { by: mesh.peer(0).peerId, reason: 'superseded' }
  // Such a witness waited for no sync: after a crash nobody may ever have cancelled.
  const request: Transport['request'] = async (peer, message) => {
    if (message.kind !== 'renew') throw new Error(`asked for ${message.kind}`)
    const isLast = peer === mesh.peer(2).peerId
    const answer = isLast ? no : 'ok'
    const items = message.items.map(({ scope: { register } }) => {
      return { register, answer, version: 2, cancel: isLast ? cancel : undefined } as const
    })
    return { kind: 'renewed', items }
  }
  const { sets, seen, boot, peerId } = agent
  const transport = { peerId, request }
  const parts = { transport, sets, seen, clock: mesh.clock, onBehind: () => 0 }

  const [tally] = await mesh.settle(new Renewals(parts, { boot }).renew([leaseOf(sealed, 0)]))

  expect(tally).toMatchObject({ oks: 2, cancel: undefined })
})
