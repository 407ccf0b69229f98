import { expect, test } from 'vitest'
import { MemoryMembers } from '../../../support/memory-members.ts'

const TWO_GATEWAYS = [
  ['gateway', 'witness'],
  ['gateway', 'witness'],
  ['agent', 'witness']
] as const

test('a run is recorded as soon as a quorum is back, however long that takes', async () => {
  const mesh = await MemoryMembers.open()
  const sealed = mesh.announce()
  mesh.network.isolate(mesh.member(0).peerId)
  const recorded = mesh.member(0).recordRun(sealed)
  await mesh.clock.advance(300_000)

  mesh.network.heal()

  expect(await mesh.settle(recorded, 10_000)).toEqual(sealed)
  expect(mesh.member(0).board.run(sealed.announcement.runId)?.sealed).toEqual(sealed)
})

test('whoever waits for a record can give up, and a stop ends the wait', async () => {
  const mesh = await MemoryMembers.open()
  mesh.network.isolate(mesh.member(0).peerId)
  const stop = new AbortController()
  const first = mesh.member(0).recordRun(mesh.announce(), { signal: stop.signal })
  const second = mesh.member(0).recordRun(mesh.announce({ commit: 'beef' }))
  const ended = [
    expect(first).rejects.toThrow('no longer wanted'),
    expect(second).rejects.toMatchObject({ code: 'STOPPING' })
  ]
  await mesh.clock.advance(5_000)

  stop.abort(new Error('no longer wanted'))
  await mesh.settle(mesh.member(0).stop())

  await Promise.all(ended)
})

test('a gateway that comes second gets the announcement of the first, bytes and all', async () => {
  const mesh = await MemoryMembers.open({ roles: TWO_GATEWAYS, gossip: false })
  const [ours, theirs] = [mesh.announce({ by: 0 }), mesh.announce({ by: 1 })]
  await mesh.settle(mesh.member(0).recordRun(ours))

  const chosen = await mesh.settle(mesh.member(1).recordRun(theirs))

  expect(ours.annHash).not.toBe(theirs.annHash)
  expect(chosen).toEqual(ours)
})

test('two gateways that record at once agree on one announcement', async () => {
  for (let commit = 0xa0; commit < 0xb0; commit += 1) {
    const mesh = await MemoryMembers.open({ roles: TWO_GATEWAYS, gossip: false })
    const fields = { commit: commit.toString(16) }
    const [ours, theirs] = [
      mesh.announce({ by: 0, ...fields }),
      mesh.announce({ by: 1, ...fields })
    ]

    const [first, second] = await mesh.settle(
      Promise.all([mesh.member(0).recordRun(ours), mesh.member(1).recordRun(theirs)])
    )

    expect(first).toEqual(second)
    expect([ours.annHash, theirs.annHash]).toContain(first.annHash)
  }
})

test('what no witness would ever take is refused at once', async () => {
  const mesh = await MemoryMembers.open()

  const foreign = mesh.member(0).recordRun(mesh.announce({ by: 1 }))

  await expect(mesh.settle(foreign)).rejects.toMatchObject({ code: 'ANNOUNCEMENT_INVALID' })
  expect(mesh.network.passed.filter(({ body }) => body.length > 200)).toEqual([])
})

test('a member that is no gateway is refused by the witnesses and told so', async () => {
  const mesh = await MemoryMembers.open()

  const recorded = mesh.member(1).recordRun(mesh.announce())

  await expect(mesh.settle(recorded)).rejects.toMatchObject({
    code: 'ANNOUNCEMENT_INVALID',
    facts: { problem: 'witnesses say not_allowed' }
  })
})
