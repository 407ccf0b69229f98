import { expect, test } from 'vitest'
import { openMesh as open } from '../../../support/open-mesh.ts'
import {
  acceptOf,
  codeOf,
  prepareOf,
  renewalOf,
  runValue,
  scopeOf,
  watched
} from '../../../support/witness-asks.ts'

test('a promise, an accept, a read and a renewal leave only after the sync', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const scope = scopeOf(witness, sealed, 0)
  witness.store.hold()
  const claimed = await mesh.settle(agent.claim(sealed, 'ab'.repeat(16)))
  expect(claimed.kind).toBe('applied')
  const asked = [
    agent.ask(witness, { kind: 'read', scope }),
    agent.ask(witness, prepareOf(agent, scope, 40)),
    agent.ask(witness, {
      kind: 'renew',
      items: [renewalOf(agent, scope, 1, 'ab'.repeat(16))],
      seenSeq: 0
    })
  ]
  const waiting = asked.map(watched)
  await mesh.clock.advance(100)

  expect(waiting.map(({ settled }) => settled())).toEqual([false, false, false])

  witness.store.release()
  const [read, promised, renewed] = await mesh.settle(Promise.all(asked))
  expect(read).toMatchObject({ kind: 'value', accepted: { value: { phase: 'leased' } } })
  expect(promised).toMatchObject({ kind: 'promise', accepted: { value: { phase: 'leased' } } })
  expect(renewed).toMatchObject({ kind: 'renewed', items: [{ answer: 'ok' }] })
  expect(read?.kind === 'value' && read.wseq).toBeGreaterThan(0)
})

test('a refusal needs no sync', async () => {
  const mesh = await open()
  const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
  const scope = scopeOf(witness, mesh.announce())
  await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 5)))
  witness.store.hold()

  const reply = await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 5)))

  expect(codeOf(reply)).toBe('ballot')
})

test('after a failed sync nothing is answered any more, and the owner is told once', async () => {
  const mesh = await open()
  const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
  const sealed = mesh.announce()
  witness.store.fail()

  const asked = mesh.settle(gateway.ask(witness, prepareOf(gateway, scopeOf(witness, sealed))))
  await expect(asked).rejects.toMatchObject({ facts: { refusal: 'STORE_FAILED' } })
  const later = mesh.settle(gateway.ask(witness, { kind: 'announcement', annHash: sealed.annHash }))
  await expect(later).rejects.toMatchObject({ facts: { refusal: 'STORE_FAILED' } })
  expect(witness.failures.map(({ code }) => code)).toEqual(['STORE_FAILED'])
})

test('keeps the promises that it gave', async () => {
  const mesh = await open()
  const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
  const scope = scopeOf(witness, mesh.announce())
  await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 9)))

  await mesh.settle(witness.restart())

  const lower = await mesh.settle(gateway.ask(witness, prepareOf(gateway, scope, 8)))
  expect(lower).toMatchObject({ kind: 'rejected', code: 'ballot', promised: { round: 9 } })
})

test('counts every lease as renewed when it started, not when it was looked at', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  await mesh.settle(agent.claim(sealed))
  await mesh.clock.advance(3_000)
  await mesh.settle(witness.restart())
  await mesh.clock.advance(1_000)

  const read = await mesh.settle(
    agent.ask(witness, { kind: 'read', scope: scopeOf(witness, sealed, 0) })
  )

  const left = read.kind === 'value' ? read.lease?.remainingMs : undefined
  expect(left).toBeGreaterThan(2_400)
  expect(left).toBeLessThanOrEqual(2_500)
})

test('a write that the store refuses is no failure, and is made good before it is shown', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const scope = scopeOf(witness, sealed)
  witness.store.isFull = true
  const value = runValue(gateway, sealed)
  const request = acceptOf(gateway, scope, value, { announcement: sealed.bytes })

  expect(codeOf(await mesh.settle(gateway.ask(witness, request)))).toBe('overload')
  const hidden = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
  expect(codeOf(hidden)).toBe('overload')
  expect(witness.failures).toEqual([])

  witness.store.isFull = false
  const shown = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
  expect(shown).toMatchObject({ kind: 'value', accepted: { value: { annHash: sealed.annHash } } })
  await mesh.settle(witness.restart())
  const kept = await mesh.settle(agent.ask(witness, { kind: 'read', scope }))
  expect(kept).toMatchObject({ kind: 'value', accepted: { value: { annHash: sealed.annHash } } })
  const { annHash } = sealed
  const bytes = await mesh.settle(agent.ask(witness, { kind: 'announcement', annHash }))
  expect(bytes.kind === 'announcement' && bytes.bytes).toEqual(sealed.bytes)
})
