import { expect, test } from 'vitest'
import type { RegisterRequest } from '../../../protocol/core/messages.ts'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { type MemoryPeer, THREE } from '../../support/memory-mesh.ts'
import { openMesh as open } from '../../support/open-mesh.ts'
import { codeOf, prepareOf, renewalOf, scopeOf } from '../../support/witness-asks.ts'

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
      agent.ask(witness, { kind: 'sync', storeId, sinceSeq, limit: 1, openOnly: false, seenSeq: 0 })
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

/** How a witness is told that someone saw more of its store than it holds. */
const CLAIMS: readonly (readonly [string, (witness: MemoryPeer) => RegisterRequest])[] = [
  ['the cursor of a sync', (witness) => syncOf(witness, { sinceSeq: 999 })],
  ['a sync', (witness) => syncOf(witness, { seenSeq: 999 })],
  [
    'a renewal',
    (witness) => {
      const { storeId } = witness.store
      const scope = { register: 'A'.repeat(26), witnessEpoch: 1, storeId, ann: undefined }
      const items = [renewalOf(witness, scope, 1, 'ab'.repeat(16))]
      return { kind: 'renew', items, seenSeq: 999 }
    }
  ]
]

function syncOf(
  { store }: MemoryPeer,
  fields: { readonly sinceSeq?: number; readonly seenSeq?: number }
): RegisterRequest {
  const { storeId } = store
  return { kind: 'sync', storeId, sinceSeq: 0, limit: 1, openOnly: false, seenSeq: 0, ...fields }
}

test.each(CLAIMS)(
  'a store that went back is stopped by a witness with %s, and only refused by others',
  async (_name, claim) => {
    const mesh = await open({ roles: [...THREE, ['agent']] })
    const [mate, other, witness] = [mesh.peer(1), mesh.peer(3), mesh.peer(2)]
    const ask = (by: MemoryPeer, request = claim(witness)) => {
      return mesh.settle(by.ask(witness, request).then(codeOf))
    }

    expect(await ask(other)).toBe('wrong_store')
    expect(witness.rollbacks).toEqual([])
    expect(await ask(other, syncOf(witness, {}))).toBe('synced')

    // Not even the claim is answered: from here on nothing is.
    await expect(ask(mate)).rejects.toMatchObject({ facts: { refusal: 'STORE_SUSPECT' } })
    expect(witness.rollbacks).toHaveLength(1)
    const later = ask(other, syncOf(witness, {}))
    await expect(later).rejects.toMatchObject({ facts: { refusal: 'STORE_SUSPECT' } })
  }
)

test('a witness is told what others were shown of its own store, and stops if it has less', async () => {
  const mesh = await open()
  const [other, mate, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const { storeId } = witness.store
  const scope = scopeOf(witness, mesh.announce())
  const promised = await mesh.settle(mate.ask(witness, prepareOf(mate, scope)))
  const told = (by: MemoryPeer) => mesh.settle(by.ask(mate, { kind: 'seen', storeId }))

  expect(await told(witness)).toEqual({ kind: 'seen', seq: 'wseq' in promised && promised.wseq })
  expect(await told(other)).toEqual({ kind: 'seen', seq: 0 })

  witness.service.hearSeen(mate.peerId, mate.seen.of(witness.peerId, storeId))
  expect(witness.rollbacks).toEqual([])
  witness.service.hearSeen(mate.peerId, mate.seen.of(witness.peerId, storeId) + 1)
  expect(witness.rollbacks).toHaveLength(1)
})

test('what was shown of another store, or no more than there is, stops nobody', async () => {
  const mesh = await open()
  const [mate, witness] = [mesh.peer(1), mesh.peer(2)]
  const { storeId } = witness.store
  const foreign = { register: 'A'.repeat(26), witnessEpoch: 1, storeId: 'cc'.repeat(16), ann }
  const own = { ...foreign, storeId }
  const items = [own, foreign].map((scope) => renewalOf(mate, scope, 1, 'ab'.repeat(16)))
  const scope = { ...own, register: mesh.announce().announcement.runId }
  const read = await mesh.settle(mate.ask(witness, { kind: 'read', scope }))
  const seenSeq = mate.seen.of(witness.peerId, storeId)
  expect(read).toMatchObject({ kind: 'value', wseq: seenSeq })

  const requests: readonly RegisterRequest[] = [
    syncOf(witness, { seenSeq, sinceSeq: seenSeq }),
    { kind: 'renew', items, seenSeq: 999 }
  ]
  for (const request of requests) await mesh.settle(mate.ask(witness, request))

  expect(witness.rollbacks).toEqual([])
})

test('a cursor that a witness gave out itself is no proof against it', async () => {
  const mesh = await open()
  const [mate, witness] = [mesh.peer(1), mesh.peer(2)]
  // A page that was read between a sync and the first reply that shows it.
  const { storeId } = witness.store
  witness.store.changes = async () => ({ items: [], next: 50, more: false })
  const page = await mesh.settle(mate.ask(witness, syncOf(witness, {})))
  expect(page).toMatchObject({ kind: 'synced', storeId, next: 50 })

  const again = await mesh.settle(mate.ask(witness, syncOf(witness, { sinceSeq: 50 })))

  expect(again.kind).toBe('synced')
  expect(witness.rollbacks).toEqual([])
})

const ann = undefined
