import { expect, test } from 'vitest'
import { NO_BALLOT } from '../../../protocol/core/ballot.ts'
import { WITNESS_INQUIRY_MS_MAX } from '../../../protocol/core/limits.ts'
import type { RegisterRequest } from '../../../protocol/core/messages.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../protocol/core/run.ts'
import { refOf } from '../../../protocol/mesh/board/run-ledger.ts'
import { PROTOCOLS } from '../../../protocol/wire/ids.ts'
import {
  decodeRegisterReply,
  decodeRegisterRequest,
  encodeRegisterRequest
} from '../../../protocol/wire/register-codec.ts'
import type { CrashStore } from '../../support/crash-store.ts'
import { MemoryMembers } from '../../support/memory-members.ts'
import { NO_FAULTS, type Passed } from '../../support/memory-transport.ts'

const CLAIM = 'ab'.repeat(16)
const RIVAL = 'cd'.repeat(16)

/** The first member's store before it promised the third one's claim, which was then busy. */
async function promisedSince() {
  const mesh = await MemoryMembers.open({ gossip: false })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  // Every board and cursor is at the newest accept.
  await mesh.clock.advance(3_000)
  const copy = mesh.store(0).copy()
  mesh.network.passed.length = 0
  expect(await mesh.settle(mesh.claim(2, sealed, RIVAL))).toMatchObject({ kind: 'busy' })
  const sent = kindsOf(mesh.network.passed)
  expect(sent).toContain('prepare')
  expect(sent).not.toContain('accept')
  return { mesh, sealed, copy }
}

function kindsOf(passed: readonly Passed[]): readonly RegisterRequest['kind'][] {
  return passed
    .filter(({ protocol }) => protocol === PROTOCOLS.register)
    .map(({ body }) => decodeRegisterRequest(body).kind)
}

/** A prepare by the second member that the forgotten promise forbids; its answer or refusal. */
async function lowPrepare(mesh: MemoryMembers, { store, sealed }: Asked): Promise<string> {
  const { node, boot } = mesh.member(1)
  const ref = refOf(sealed, jobIdOf(sealed.announcement.runId, 0))
  const scope = { ...ref, storeId: store.storeId }
  const held = await store.load(ref)
  const round = held?.promised.round ?? 0
  const ballot = { round: round + 1, peer: node.peerId, boot }
  const prepare: RegisterRequest = { kind: 'prepare', scope, ballot, intent: 'op' }
  const body = encodeRegisterRequest(prepare)
  const options = { timeoutMs: 2 * WITNESS_INQUIRY_MS_MAX }
  return await node.request(mesh.member(0).peerId, PROTOCOLS.register, body, options).then(
    (reply) => decodeRegisterReply(reply).kind,
    (error: { facts: { refusal: string } }) => error.facts.refusal
  )
}

interface Asked {
  readonly store: CrashStore
  readonly sealed: SealedAnnouncement
}

test('a witness restored from a copy that lost a promise only is stopped at its start', async () => {
  const { mesh, copy } = await promisedSince()

  await mesh.restart(0, copy)
  await mesh.clock.advance(20)

  expect(mesh.distrusted(0)).toHaveLength(1)
  expect(mesh.distrusted(0)[0]).toContain(mesh.member(2).peerId)
})

test('a restored witness learns of it by asking, where nobody comes to tell', async () => {
  const { mesh, copy } = await promisedSince()
  const [restored, mate] = [mesh.member(0).peerId, mesh.member(2).peerId]
  const isVisit = (passed: Passed) => {
    const isTheirs = passed.from === mate && passed.to === restored
    return isTheirs && kindsOf([passed]).includes('sync')
  }
  // While this visit waits for its answer, the one who makes it makes no other.
  mesh.network.faults = { ...NO_FAULTS, lossRate: 1 }
  mesh.network.passed.length = 0
  await mesh.clock.until(() => mesh.network.passed.some(isVisit), 5_000)
  mesh.network.faults = NO_FAULTS
  mesh.network.passed.length = 0

  await mesh.restart(0, copy)
  await mesh.clock.advance(20)

  expect(mesh.network.passed.some(isVisit)).toBe(false)
  expect(mesh.distrusted(0)).toHaveLength(1)
})

test('a restored witness gives no forgotten promise again before it is found out', async () => {
  const { mesh, sealed, copy } = await promisedSince()

  expect(await quickPrepare(mesh, sealed, copy)).toBe('STORE_SUSPECT')
})

test('a witness that comes back with all it had answers once it has asked', async () => {
  const { mesh, sealed } = await promisedSince()

  expect(await quickPrepare(mesh, sealed)).toBe('promise')
  expect(mesh.distrusted(0)).toEqual([])
})

/** Restarts the first member and sends it a prepare that is faster than all it could be told. */
async function quickPrepare(
  mesh: MemoryMembers,
  sealed: SealedAnnouncement,
  copy?: CrashStore
): Promise<string> {
  mesh.network.faults = { ...NO_FAULTS, delayMsMin: 150, delayMsMax: 151 }
  await mesh.restart(0, copy)
  mesh.network.faults = NO_FAULTS
  return await mesh.settle(lowPrepare(mesh, { store: mesh.store(0), sealed }))
}

test('a restored witness that was alone at its start is stopped by the first one that comes', async () => {
  const { mesh, copy } = await promisedSince()
  mesh.network.isolate(mesh.member(0).peerId)
  await mesh.restart(0, copy)
  await mesh.clock.advance(10 * WITNESS_INQUIRY_MS_MAX)
  expect(mesh.distrusted(0)).toEqual([])

  mesh.network.heal()
  await mesh.clock.advance(20)

  expect(mesh.distrusted(0)).toHaveLength(1)
})

test('a restored witness is stopped by the renewals of a holder that was shown more', async () => {
  const { mesh, sealed, copy } = await promisedSince()
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  const cancel = { kind: 'cancel', reason: 'because' } as const
  await mesh.settle(mesh.member(1).changeJob(jobId, 'ef'.repeat(16), cancel))
  mesh.network.isolate(mesh.member(2).peerId)
  // What the start asks gets lost, and so do the visits.
  mesh.network.faults = { ...NO_FAULTS, lossRate: 1 }
  await mesh.restart(0, copy)
  await mesh.clock.advance(WITNESS_INQUIRY_MS_MAX)
  expect(mesh.distrusted(0)).toEqual([])
  mesh.network.faults = NO_FAULTS
  mesh.network.passed.length = 0

  const stage = { name: 'step', step: 1, steps: 1 } as const
  await mesh.settle(mesh.member(1).renew([{ jobId, epoch: 1, claimId: CLAIM, stage }]))
  await mesh.clock.advance(5)

  expect(new Set(kindsOf(mesh.network.passed))).toEqual(new Set(['renew']))
  expect(mesh.distrusted(0)).toHaveLength(1)
})

test('a restored witness is found out although it has written more since than it forgot', async () => {
  const { mesh, copy } = await promisedSince()
  // What a gateway on this host writes of its own shares the store and its sequence.
  const key = { register: 'A'.repeat(26), witnessEpoch: 1 }
  const record = { promised: NO_BALLOT, accepted: undefined }
  mesh.network.isolate(mesh.member(0).peerId)
  await mesh.restart(0, copy)
  for (let count = 0; count < 100; count += 1) {
    await mesh.settle(copy.save({ key, record, announcement: undefined }))
  }

  mesh.network.heal()
  await mesh.clock.advance(20)

  expect(mesh.distrusted(0)).toHaveLength(1)
})
