import { afterEach, describe, expect, test } from 'vitest'
import { GOSSIP_BYTES_MAX } from '../../protocol/core/limits.ts'
import { PROTOCOLS, TOPICS } from '../../protocol/wire/ids.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from '../support/eventually.ts'
import {
  type MeshHost,
  memberEntry,
  nextRoster,
  rosterOf,
  TestMesh
} from '../support/mesh-nodes.ts'
import { dialRaw, RawStream, rawPeer } from '../support/raw-peer.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
}, 30_000)

function stopLater<T extends { stop(): unknown }>(part: T): T {
  ends.push(async () => {
    await part.stop()
  })
  return part
}

/** Notes `from text` of every message that a host hears, by host. */
class Ears {
  readonly heard = new Map<string, string[]>()

  readonly prepare = (node: Parameters<NonNullable<Prepare>>[0], key: MeshKey): void => {
    const list: string[] = []
    this.heard.set(key.peerId, list)
    node.subscribe(TOPICS.jobs, (from, bytes) => {
      list.push(`${from} ${Buffer.from(bytes)}`)
      return 'accept'
    })
  }

  count(line: string): number {
    return [...this.heard.values()].filter((list) => list.includes(line)).length
  }

  /** Resolves once `hosts` others hear this one: gossip's streams open some time after the link. */
  async reachedBy({ node, key }: MeshHost, hosts: number): Promise<void> {
    const { peerId } = key
    let count = 0
    await eventually(`${hosts} hosts hear ${peerId}`, async () => {
      count += 1
      await node.publish(TOPICS.jobs, Buffer.from(`test ${count}`))
      // What was said in the try before may have arrived meanwhile.
      return count > 1 && this.count(`${peerId} test ${count - 1}`) === hosts
    })
  }
}
type Prepare = NonNullable<Parameters<TestMesh['addHost']>[0]>['prepare']

/** By default gossip silences all when 14 or more peers share an address. */
const HOSTS = 24

describe('many hosts on one address', () => {
  test('all hear what any of them says, once', async () => {
    const ears = new Ears()
    const mesh = stopLater(await TestMesh.start(HOSTS, { prepare: ears.prepare }))
    await mesh.linked(90_000)
    for (const host of mesh.hosts) await ears.reachedBy(host, HOSTS - 1)

    for (const { node, key } of mesh.hosts) {
      await node.publish(TOPICS.jobs, Buffer.from(`news of ${key.peerId}`))
    }

    const lines = mesh.hosts.map(({ key: { peerId } }) => `${peerId} news of ${peerId}`)
    await eventually('all hear all', () => lines.every((line) => ears.count(line) === HOSTS - 1))
    for (const heard of ears.heard.values()) expect(new Set(heard).size).toBe(heard.length)
  }, 180_000)

  test('twenty dials at once all succeed', async () => {
    const members = Array.from({ length: 20 }, () => generateKey())
    const mesh = stopLater(new TestMesh())
    const host = await mesh.addHost({
      prepare: (node) => node.handle(PROTOCOLS.query, async (_remote, body) => body)
    })
    const entries = [...mesh.entries(), ...members.map(({ peerId }) => memberEntry(peerId))]
    await host.book.offer(sealRoster(mesh.authority, rosterOf(mesh.authority, entries)).bytes)
    const peers = await Promise.all(members.map((key) => rawPeer(key)))
    for (const peer of peers) stopLater(peer)

    const answers = await Promise.all(
      peers.map(async (peer) => {
        const raw = await RawStream.open(await dialRaw(peer, host.node), PROTOCOLS.query)
        raw.request(1)
        return await eventually('an answer', () => raw.frames[0])
      })
    )

    expect(answers).toHaveLength(20)
    expect(host.node.links()).toHaveLength(20)
  }, 30_000)
})

describe('gossip', () => {
  test('reaches a host that was admitted after it had started, and comes from it', async () => {
    const ears = new Ears()
    const mesh = stopLater(await TestMesh.start(2, { prepare: ears.prepare }))
    await mesh.linked()
    const joiner = await mesh.addHost({ prepare: ears.prepare })
    const first = mesh.host(0)
    const current = first.book.current()
    if (current === undefined) throw new Error('no roster')

    await first.book.offer(nextRoster(mesh.authority, current, mesh.entries()).bytes)
    await mesh.linked()

    // Both ways, on the very connections over which it had got its roster as a stranger.
    await ears.reachedBy(first, 2)
    await ears.reachedBy(joiner, 2)
  }, 30_000)

  test('switched off on one host is silence there, and changes nothing elsewhere', async () => {
    const ears = new Ears()
    const mesh = stopLater(new TestMesh())
    await mesh.addHost({ prepare: ears.prepare })
    await mesh.addHost({ prepare: ears.prepare })
    const quiet = await mesh.addHost({ prepare: ears.prepare, gossip: false })
    await mesh.admitAll()
    await mesh.linked()

    await quiet.node.publish(TOPICS.jobs, Buffer.from('unheard'))
    await ears.reachedBy(mesh.host(0), 1)
    await ears.reachedBy(mesh.host(1), 1)

    expect(ears.heard.get(quiet.key.peerId)).toEqual([])
    expect(ears.count(`${quiet.key.peerId} unheard`)).toBe(0)
  }, 30_000)

  test('refuses a message that no peer would take', async () => {
    const mesh = stopLater(await TestMesh.start(1))
    const publish = mesh.host(0).node.publish(TOPICS.jobs, new Uint8Array(GOSSIP_BYTES_MAX))

    await expect(publish).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })
})
