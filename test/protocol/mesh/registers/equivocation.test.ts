import { expect, test } from 'vitest'
import { jobIdOf } from '../../../../protocol/core/run.ts'
import { refOf } from '../../../../protocol/mesh/board/run-ledger.ts'
import { openMesh } from '../../../support/open-mesh.ts'
import { acceptOf, jobValue, scopeOf } from '../../../support/witness-asks.ts'

test('who reads two values under one ballot tells of the one that signed both', async () => {
  const mesh = await openMesh()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const scope = scopeOf(witness, sealed, 0)
  const held = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
  const prev = held.kind === 'value' ? held.accepted?.value : undefined
  // To each of two witnesses another claim, under one ballot: none of them can see it alone.
  for (const [peer, claimId] of [
    [gateway, '0c'.repeat(16)],
    [witness, '0d'.repeat(16)]
  ] as const) {
    const place = scopeOf(peer, sealed, 0)
    const body = { kind: 'claim', claimId, boot: agent.boot, leaseMs: 3_000 } as const
    const accept = acceptOf(agent, place, jobValue(agent, place, body, prev), { round: 30 })
    expect(await mesh.settle(agent.ask(peer, accept))).toMatchObject({ kind: 'accepted' })
  }

  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(witness.client.read(refOf(sealed, jobId), { settle: 'never' }))

  expect(witness.equivocations.list()).toMatchObject([
    { kind: 'proposals', peer: agent.peerId, subject: expect.stringContaining(jobId) }
  ])
  expect(gateway.equivocations.list()).toEqual([])
})
