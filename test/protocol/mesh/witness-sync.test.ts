import { expect, test } from 'vitest'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { type MemoryPeer, THREE } from '../../support/memory-mesh.ts'
import { openMesh as open } from '../../support/open-mesh.ts'
import { codeOf } from '../../support/witness-asks.ts'

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
    mesh.settle(agent.ask(witness, { kind: 'sync', storeId, sinceSeq, limit: 1, openOnly: false }))

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
