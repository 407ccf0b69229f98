import { expect, test } from 'vitest'
import { openMesh as open } from '../../../support/open-mesh.ts'
import { acceptOf, codeOf, jobValue, renewalOf, scopeOf } from '../../../support/witness-asks.ts'

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
  const [first, second] = [claim('0c'.repeat(16)), claim('0d'.repeat(16))]
  await mesh.settle(agent.ask(witness, first))

  const reply = await mesh.settle(agent.ask(witness, second))

  expect(codeOf(reply)).toBe('equivocation')
  const subject = `two values of ${scope.register} under round 30 of witness epoch 1`
  expect(witness.equivocations.list()).toMatchObject([{ peer: agent.peerId, subject }])
  expect(witness.logged.some((line) => line.includes('equivocation found'))).toBe(true)
})

test('nobody makes a holder look false by another value under its ballot', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const scope = scopeOf(witness, sealed, 0)
  const read = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
  const prev = read.kind === 'value' ? read.accepted?.value : undefined
  const claim = (by: typeof agent, claimId: string) => {
    const body = { kind: 'claim', claimId, boot: by.boot, leaseMs: 3_000 } as const
    return acceptOf(by, scope, jobValue(by, scope, body, prev), { round: 30 })
  }
  const own = claim(agent, '0c'.repeat(16))
  await mesh.settle(agent.ask(witness, own))

  // Signed by the one that sends it, not by the one whose ballot it is.
  const forged = { ...claim(gateway, '0d'.repeat(16)), ballot: own.ballot }
  const reply = await mesh.settle(gateway.ask(witness, forged))

  expect(codeOf(reply)).toBe('not_allowed')
  expect(witness.logged.filter((line) => line.includes('equivocation found'))).toEqual([])
})

test('a hundred renewals are one message and no write', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const count = 100
  const sealed = mesh.announce({ jobs: Array.from({ length: count }, () => ({})) })
  const indexes = Array.from({ length: count }, (_, index) => index)
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(Promise.all(indexes.map((index) => agent.create(sealed, index))))
  const claimId = 'ab'.repeat(16)
  await mesh.settle(Promise.all(indexes.map((index) => agent.claim(sealed, claimId, index))))
  await mesh.clock.advance(50)
  const items = indexes.map((index) => {
    return renewalOf(agent, scopeOf(witness, sealed, index), 1, claimId)
  })
  const [saves, passed] = [witness.store.saves, mesh.network.passed.length]

  const reply = await mesh.settle(agent.ask(witness, { kind: 'renew', items, seenSeq: 0 }))

  const answers = reply.kind === 'renewed' ? reply.items.map(({ answer }) => answer) : []
  expect(answers).toEqual(indexes.map(() => 'ok'))
  expect(witness.store.saves).toBe(saves)
  expect(mesh.network.passed.length).toBe(passed + 1)
})

test('renewals of what this witness does not keep are left out of the answer', async () => {
  const mesh = await open()
  const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
  const scope = scopeOf(witness, mesh.announce(), 0)
  const wrong = { ...scope, storeId: 'cc'.repeat(16) }
  const items = [scope, wrong].map((one) => renewalOf(agent, one, 1, 'ab'.repeat(16)))

  const reply = await mesh.settle(agent.ask(witness, { kind: 'renew', items, seenSeq: 0 }))

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
