import { expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { RegisterReply } from '../../../protocol/core/messages.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import { sealAnnouncement } from '../../../protocol/wire/announcement.ts'
import { sealRoster } from '../../../protocol/wire/roster-codec.ts'
import { keyOfSeed } from '../../support/memory-mesh.ts'
import { openMesh } from '../../support/open-mesh.ts'
import {
  acceptOf,
  codeOf,
  jobValue,
  prepareOf,
  renewalOf,
  runValue,
  scopeOf
} from '../../support/witness-asks.ts'

const CLAIMS = ['ab'.repeat(16), 'cd'.repeat(16)] as const
const { takeOverMs } = LEASE_PROFILES.short

/** One run, announced under two witness epochs with the same witnesses. */
async function twoEpochs() {
  const mesh = await openMesh()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const before = mesh.rosters.current()
  if (before === undefined) throw new Error('no roster')
  const head = { version: 2, prevHash: before.hash, witnessEpoch: 2 }
  mesh.rosters.add(sealRoster(await keyOfSeed(0), { ...before.roster, ...head }))
  const first = mesh.announce()
  const { announcement } = mesh.announce()
  const second = sealAnnouncement(gateway.key, { ...announcement, witnessEpoch: 2 })
  expect(second.announcement.runId).toBe(first.announcement.runId)
  return { mesh, gateway, agent, witness, first, second }
}

function hashIn(reply: RegisterReply): string | undefined {
  return reply.kind === 'value' ? reply.accepted?.value.annHash : codeOf(reply)
}

function remainingIn(reply: RegisterReply): number | undefined {
  return reply.kind === 'value' ? reply.lease?.remainingMs : undefined
}

test('a witness of two epochs keeps two registers: neither promise nor value mixes', async () => {
  const { mesh, gateway, agent, witness, first, second } = await twoEpochs()
  const scopes = [first, second].map((sealed) => scopeOf(witness, sealed))
  const [one, other] = scopes
  if (one === undefined || other === undefined) throw new Error('two')
  await mesh.settle(agent.ask(witness, prepareOf(agent, one, 40)))

  // Forty was promised under the first epoch only.
  expect(codeOf(await mesh.settle(agent.ask(witness, prepareOf(agent, other, 3))))).toBe('promise')
  const record = (sealed: SealedAnnouncement, round: number) => {
    const value = runValue(gateway, sealed)
    const fields = { round, announcement: sealed.bytes }
    const request = acceptOf(gateway, scopeOf(witness, sealed), value, fields)
    return mesh.settle(gateway.ask(witness, request).then(codeOf))
  }
  expect(await record(second, 5)).toBe('accepted')
  expect(await record(first, 50)).toBe('accepted')

  const values = async () => {
    const ask = (scope: typeof one) => mesh.settle(agent.ask(witness, { kind: 'read', scope }))
    return [hashIn(await ask(one)), hashIn(await ask(other))]
  }
  expect(await values()).toEqual([first.annHash, second.annHash])
  await mesh.settle(witness.restart())
  expect(await values()).toEqual([first.annHash, second.annHash])
})

test('a witness of two epochs keeps two timers: a renewal under one renews that one', async () => {
  const { mesh, gateway, agent, witness, first, second } = await twoEpochs()
  for (const [index, sealed] of [first, second].entries()) {
    await mesh.settle(gateway.record(sealed))
    await mesh.settle(agent.create(sealed))
    expect(await mesh.settle(agent.claim(sealed, CLAIMS[index]))).toMatchObject({ kind: 'applied' })
    await mesh.clock.advance(1_000)
  }
  const remaining = async () => {
    const ask = (sealed: SealedAnnouncement) => {
      const scope = scopeOf(witness, sealed, 0)
      return mesh.settle(agent.ask(witness, { kind: 'read', scope }))
    }
    return [remainingIn(await ask(first)), remainingIn(await ask(second))]
  }
  const [older = 0, newer = 0] = await remaining()
  expect(newer - older).toBeGreaterThan(900)

  const items = [renewalOf(agent, scopeOf(witness, second, 0), 1, CLAIMS[1])]
  const renewed = await mesh.settle(agent.ask(witness, { kind: 'renew', items, seenSeq: 0 }))

  expect(renewed).toMatchObject({ items: [{ answer: 'ok' }] })
  const [left = 0, fresh = 0] = await remaining()
  expect(left).toBeLessThanOrEqual(older)
  expect(fresh).toBeGreaterThan(takeOverMs - 50)
})

test('an announcement is recorded under its own epoch, and its jobs as well', async () => {
  const { mesh, gateway, agent, witness, first, second } = await twoEpochs()
  const under = (sealed: SealedAnnouncement, of: SealedAnnouncement) => {
    // What is announced under one epoch, asked for under the other.
    const scope = scopeOf(witness, sealed)
    const fields = { announcement: of.bytes }
    return mesh.settle(
      gateway.ask(witness, acceptOf(gateway, scope, runValue(gateway, of), fields))
    )
  }
  const wrong = { kind: 'rejected', code: 'invalid', detail: 'announced for another witness epoch' }

  expect(await under(second, first)).toMatchObject(wrong)
  expect(await under(first, second)).toMatchObject(wrong)

  await mesh.settle(gateway.record(first))
  await mesh.settle(gateway.record(second))
  await mesh.clock.advance(20)
  const scope = scopeOf(witness, second, 0)
  const body = { kind: 'create', annHash: first.annHash, attemptsMax: 3 } as const
  const value = jobValue(agent, scope, body)
  const job = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))
  expect(job).toMatchObject(wrong)
})

test('a job is not created by the announcement of another run, however well known', async () => {
  const mesh = await openMesh()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const [own, other] = [mesh.announce(), mesh.announce({ commit: 'beef' })]
  await mesh.settle(gateway.record(own))
  await mesh.settle(gateway.record(other))
  await mesh.clock.advance(20)
  const scope = scopeOf(witness, own, 0)
  const create = async (annHash: string) => {
    const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax: 3 })
    return await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))
  }

  expect(await create(other.annHash)).toMatchObject({
    kind: 'rejected',
    code: 'invalid',
    detail: 'its announcement is of another run'
  })
  expect(await create(own.annHash)).toMatchObject({ kind: 'accepted' })
})
