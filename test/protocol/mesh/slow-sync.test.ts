import { expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { RegisterReply } from '../../../protocol/core/messages.ts'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { openMesh } from '../../support/open-mesh.ts'
import { codeOf, prepareOf, renewalOf, scopeOf, watched } from '../../support/witness-asks.ts'

const CLAIM = 'ab'.repeat(16)
const { requestTimeoutMs } = LEASE_PROFILES.short

/** A run of two jobs; the agent holds the first one, and the other too unless said otherwise. */
async function heldJobs(held = 2) {
  const mesh = await openMesh()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce({ jobs: [{}, {}] })
  await mesh.settle(gateway.record(sealed))
  const claim = (index: number) => mesh.settle(agent.claim(sealed, CLAIM, index))
  for (const index of [0, 1]) await mesh.settle(agent.create(sealed, index))
  for (let index = 0; index < held; index += 1) await claim(index)
  await mesh.clock.advance(50)
  const scope = (index: number) => scopeOf(witness, sealed, index)
  const rivalPromise = (index: number) => agent.ask(witness, prepareOf(agent, scope(index), 40))
  const renew = async (...indexes: readonly number[]) => {
    const items = indexes.map((index) => renewalOf(agent, scope(index), 1, CLAIM))
    const startMs = mesh.clock.bootMs()
    const reply = await mesh.settle(agent.ask(witness, { kind: 'renew', items, seenSeq: 0 }))
    const jobs = indexes.map((index) => jobIdOf(sealed.announcement.runId, index))
    return { answers: answersOf(reply, jobs), tookMs: mesh.clock.bootMs() - startMs }
  }
  return { mesh, agent, witness, claim, scope, rivalPromise, renew }
}

function answersOf(reply: RegisterReply, jobs: readonly string[]): readonly unknown[] {
  if (reply.kind !== 'renewed') throw new Error(`answered ${codeOf(reply)}`)
  return jobs.map((job) => reply.items.find(({ register }) => register === job)?.answer)
}

test('a promise that waits for its sync holds up no renewal, but every read of it', async () => {
  const { mesh, agent, witness, scope, rivalPromise, renew } = await heldJobs()
  witness.store.hold()
  const promised = watched(rivalPromise(1))
  await mesh.clock.advance(20)

  expect(await renew(0, 1)).toMatchObject({ answers: ['ok', 'ok'] })

  const read = watched(agent.ask(witness, { kind: 'read', scope: scope(1) }))
  await mesh.clock.advance(50)
  expect([promised.settled(), read.settled()]).toEqual([false, false])
})

test('an accept that waits for its sync is left out in time, the other renewals are answered', async () => {
  const { mesh, witness, claim, renew } = await heldJobs(1)
  witness.store.hold()
  await claim(1)

  const { answers, tookMs } = await renew(0, 1)

  expect(answers).toEqual(['ok', undefined])
  expect(tookMs).toBeLessThan(requestTimeoutMs * 0.6)
  witness.store.release()
  await mesh.clock.advance(10)
  expect(await renew(0, 1)).toMatchObject({ answers: ['ok', 'ok'] })
})

test('a promise after an unsynced accept does not let the accept be shown', async () => {
  const { mesh, witness, claim, rivalPromise, renew } = await heldJobs(1)
  witness.store.hold()
  await claim(1)
  void watched(rivalPromise(1))
  await mesh.clock.advance(20)

  expect(await renew(0, 1)).toMatchObject({ answers: ['ok', undefined] })
})

test('a renewal whose write is refused refuses no other one, and is made good later', async () => {
  const { mesh, witness, claim, renew } = await heldJobs(1)
  witness.store.isFull = true
  await claim(1)

  expect(await renew(0, 1)).toMatchObject({ answers: ['ok', undefined] })

  witness.store.isFull = false
  expect(await renew(0, 1)).toMatchObject({ answers: ['ok', 'ok'] })
  await mesh.settle(witness.restart())
  expect(await renew(1)).toMatchObject({ answers: ['ok'] })
})

test('a promise that the store refused holds up no renewal', async () => {
  const { mesh, witness, rivalPromise, renew } = await heldJobs()
  witness.store.isFull = true
  expect(codeOf(await mesh.settle(rivalPromise(1)))).toBe('overload')
  const { saves } = witness.store

  expect(await renew(0, 1)).toMatchObject({ answers: ['ok', 'ok'] })
  expect(witness.store.saves).toBe(saves)
})

test('a store that failed renews nothing any more', async () => {
  const { witness, claim, renew } = await heldJobs(1)
  witness.store.hold()
  const claimed = claim(1)
  witness.store.fail()
  await claimed

  await expect(renew(0)).rejects.toMatchObject({ facts: { refusal: 'STORE_FAILED' } })
})
