import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { PING_EVERY_MS, STRANGER_MS_MAX } from '../../protocol/core/limits.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { encodeRosterRequest } from '../../protocol/wire/roster-message.ts'
import { eventually } from '../support/eventually.ts'
import { memberEntry, nextRoster, rosterOf, TestMesh } from '../support/mesh-nodes.ts'
import { dialRaw, RawStream, rawPeer } from '../support/raw-peer.ts'
import { SteeredClock } from '../support/steered-clock.ts'

const { query, roster } = PROTOCOLS
const DAY_MS = 86_400_000
const OPTIONS = { timeoutMs: 5_000 }

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
})

function stopLater<T extends { stop(): unknown }>(part: T): T {
  ends.push(async () => {
    await part.stop()
  })
  return part
}

/** One host whose roster names it and `others`; counts who got through to its handler. */
async function guardedHost(others: readonly string[]) {
  const heard: string[] = []
  const mesh = stopLater(new TestMesh())
  const host = await mesh.addHost({
    prepare: (node) =>
      node.handle(query, async (remote, body) => {
        heard.push(remote)
        return body
      })
  })
  const members = [...mesh.entries(), ...others.map((peerId) => memberEntry(peerId))]
  const sealed = sealRoster(mesh.authority, rosterOf(mesh.authority, members))
  await host.book.offer(sealed.bytes)
  return { mesh, host, sealed, heard }
}

describe('an outsider', () => {
  test('is cut off after Noise and never reaches a handler, not even that of the roster', async () => {
    const member = generateKey()
    const { host, heard } = await guardedHost([member.peerId])
    const events: string[] = []
    host.node.onLink(({ kind, peerId }) => events.push(`${kind} ${peerId}`))
    const outsider = stopLater(await rawPeer(generateKey()))

    for (const protocol of [query, roster]) {
      const attempt = dialRaw(outsider, host.node).then(async (connection) => {
        const raw = await RawStream.open(connection, protocol)
        raw.request(1)
        await eventually('an answer', () => raw.frames.length > 0, 1_000)
      })
      await expect(attempt, protocol).rejects.toThrow()
    }
    await eventually('cut off', () => outsider.getConnections().length === 0)
    expect(heard).toEqual([])
    expect(host.node.links()).toEqual([])
    expect(events).toEqual([])

    // The same peer with a member's key gets through: it is the key that was refused.
    const peer = stopLater(await rawPeer(member))
    const raw = await RawStream.open(await dialRaw(peer, host.node), query)
    raw.request(1)
    await eventually('an answer', () => raw.frames.length > 0)
    expect(heard).toEqual([member.peerId])
  })

  test('cannot keep members out with twenty sockets that say nothing', async () => {
    const member = generateKey()
    const { host } = await guardedHost([member.peerId])
    const port = Number(host.node.addresses()[0]?.split('/').at(-1))
    const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'))
    ends.push(async () => {
      for (const socket of sockets) socket.destroy()
    })
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))

    const peer = stopLater(await rawPeer(member))
    await dialRaw(peer, host.node)

    await eventually('a link', () => host.node.links().length === 1)
  })

  test('is not spoken to either: no request, no dial', async () => {
    const { host } = await guardedHost([])
    const outsider = generateKey().peerId
    const request = host.node.request(outsider, query, Uint8Array.of(1), OPTIONS)

    await expect(request).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })
})

describe('a peer that stops being a member', () => {
  test('is cut off at once when it is revoked, and does not come back', async () => {
    const mesh = stopLater(
      await TestMesh.start(2, { prepare: (node) => node.handle(query, async (_, body) => body) })
    )
    await mesh.linked()
    const [host, revoked] = [mesh.host(0), mesh.host(1)]
    const current = host.book.current()
    if (current === undefined) throw new Error('no roster')
    const downs: string[] = []
    host.node.onLink(({ kind, peerId }) => downs.push(`${kind} ${peerId}`))

    const others = mesh.entries().filter(({ peerId }) => peerId !== revoked.key.peerId)
    const next = nextRoster(mesh.authority, current, others, [revoked.key.peerId])
    await host.book.offer(next.bytes)

    // No wait: the link is gone before the roster is even acknowledged.
    expect(host.node.links()).toEqual([])
    expect(downs).toEqual([`down ${revoked.key.peerId}`])
    const request = revoked.node.request(host.key.peerId, query, Uint8Array.of(1), OPTIONS)
    await expect(request).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    expect(host.node.links()).toEqual([])
  })

  test('is cut off when its entry ends', async () => {
    const clock = new SteeredClock(PING_EVERY_MS)
    const mesh = stopLater(new TestMesh())
    const host = await mesh.addHost({ clock })
    const [brief, lasting] = [generateKey(), generateKey()]
    const members = [
      ...mesh.entries(),
      memberEntry(brief.peerId, { notAfterMs: clock.wallMs() + DAY_MS }),
      memberEntry(lasting.peerId)
    ]
    const sealed = sealRoster(mesh.authority, rosterOf(mesh.authority, members))
    await host.book.offer(sealed.bytes)
    const peer = stopLater(await rawPeer(brief))
    await dialRaw(peer, host.node)
    await eventually('a link', () => host.node.links().length === 1)

    clock.jumpWall(DAY_MS)
    clock.fire()

    expect(host.node.links()).toEqual([])
    // The dialler may see its side succeed before the other one has looked at who it is.
    await dialRaw(peer, host.node).catch(() => undefined)
    await eventually('cut off', () => peer.getConnections().length === 0)
    expect(host.node.links()).toEqual([])
  })
})

describe('one member', () => {
  test('cannot take more connections than it needs', async () => {
    const member = generateKey()
    const { host } = await guardedHost([member.peerId])
    const peers = await Promise.all(Array.from({ length: 8 }, () => rawPeer(member)))
    for (const peer of peers) stopLater(peer)

    const results = await Promise.allSettled(peers.map((peer) => dialRaw(peer, host.node)))

    const open = (): number => peers.flatMap((peer) => peer.getConnections()).length
    await eventually('the others are cut', () => open() <= 4)
    expect(results.length).toBe(8)
    expect(open()).toBeGreaterThan(0)
  })
})

describe('a stranger at a host without a roster', () => {
  test('is cut when its time is over, and nothing waits for it once the host has stopped', async () => {
    const clock = new SteeredClock(STRANGER_MS_MAX)
    const mesh = stopLater(new TestMesh())
    const host = await mesh.addHost({ clock })
    const visit = async () => {
      const peer = stopLater(await rawPeer(generateKey()))
      const raw = await RawStream.open(await dialRaw(peer, host.node), roster)
      const nothing = { version: 0, witnessEpoch: undefined, bytes: undefined }
      raw.request(1, encodeRosterRequest(nothing))
      await eventually('an answer', () => raw.frames.length > 0)
      return peer
    }
    const silent = await visit()
    expect(silent.getConnections()).toHaveLength(1)

    clock.fire()

    await eventually('cut off', () => silent.getConnections().length === 0)
    await visit()
    await host.node.stop()
    expect(clock.held()).toBe(0)
  })
})
