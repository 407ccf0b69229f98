import { expect, test } from 'vitest'
import type { Advertisement } from '../../../../protocol/core/advertisement.ts'
import { ADVERTISEMENTS_BURST } from '../../../../protocol/core/limits.ts'
import { encodeAdvertisement } from '../../../../protocol/wire/advertisement-codec.ts'
import { TOPICS } from '../../../../protocol/wire/ids.ts'
import { MemoryMembers } from '../../../support/memory-members.ts'

function advertisementOf(mesh: MemoryMembers, index: number, sequence = 1): Advertisement {
  const member = mesh.member(index)
  const capacity = { cpuMilli: 4_000, memoryBytes: 2 ** 33, diskBytes: 2 ** 36, jobs: 4 }
  return {
    peerId: member.peerId,
    name: `host-${index}`,
    boot: member.boot,
    sequence,
    state: 'idle',
    version: '0.1.0',
    platforms: [{ name: 'linux/amd64', native: true }],
    networks: [],
    labels: {},
    isolation: { offered: 'runc', required: undefined },
    diskLimit: 'soft',
    policy: undefined,
    closing: undefined,
    capacity,
    free: capacity,
    diskFreeBytes: 1_000_000,
    engine: 'docker 20.10',
    jobs: [],
    sentAtMs: mesh.clock.wallMs(),
    leaving: false
  }
}

async function say(mesh: MemoryMembers, from: number, bytes: Uint8Array) {
  mesh.network.verdicts.length = 0
  await mesh.member(from).node.publish(TOPICS.agents, bytes)
  await mesh.clock.advance(20)
  return [...new Set(mesh.network.verdicts)]
}

test('an advertisement is on every board, its own sender’s included', async () => {
  const mesh = await MemoryMembers.open()
  const heard: string[] = []
  mesh.member(0).on((event) => {
    if (event.kind === 'agent') heard.push(event.peerId)
  })

  await mesh.member(1).advertise(advertisementOf(mesh, 1))
  await mesh.clock.advance(20)

  const seen = mesh.all.map(({ board }) => board.agents(mesh.clock.bootMs()).length)
  expect(seen).toEqual([1, 1, 1])
  expect(heard).toEqual([mesh.member(1).peerId])
})

test('who speaks for another agent is rejected, and so is what does not decode', async () => {
  const mesh = await MemoryMembers.open()

  expect(await say(mesh, 1, encodeAdvertisement(advertisementOf(mesh, 2)))).toEqual(['reject'])
  expect(await say(mesh, 1, Uint8Array.of(0xff))).toEqual(['reject'])
  expect(mesh.all.map(({ board }) => board.agents(0).length)).toEqual([0, 0, 0])
})

test('a member that is no agent is not listed as one', async () => {
  const mesh = await MemoryMembers.open()

  expect(await say(mesh, 0, encodeAdvertisement(advertisementOf(mesh, 0)))).toEqual(['ignore'])
})

test('an agent that advertises without end is heard a bounded number of times', async () => {
  const mesh = await MemoryMembers.open()
  mesh.network.verdicts.length = 0
  for (let sequence = 1; sequence <= 2 * ADVERTISEMENTS_BURST; sequence += 1) {
    const bytes = encodeAdvertisement(advertisementOf(mesh, 1, sequence))
    await mesh.member(1).node.publish(TOPICS.agents, bytes)
  }
  await mesh.clock.advance(20)

  const accepted = mesh.network.verdicts.filter((verdict) => verdict === 'accept').length
  expect(accepted).toBe(2 * ADVERTISEMENTS_BURST)
  expect(mesh.network.verdicts.length).toBe(4 * ADVERTISEMENTS_BURST)
})
