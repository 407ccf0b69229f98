import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { PING_EVERY_MS, PINGS_MISSED_MAX } from '../../protocol/core/limits.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from '../support/eventually.ts'
import { memberEntry, rosterOf, TestMesh } from '../support/mesh-nodes.ts'
import { dialRaw, rawPeer } from '../support/raw-peer.ts'
import { SteeredClock } from '../support/steered-clock.ts'

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

const echo = {
  prepare: (node: Parameters<NonNullable<Prepare>>[0]): void => {
    node.handle(PROTOCOLS.query, async (_remote, body) => body)
  }
}
type Prepare = NonNullable<Parameters<TestMesh['addHost']>[0]>['prepare']

describe('a link', () => {
  test('shows where it goes, since when, and how long a round trip takes', async () => {
    const startMs = Date.now()
    const mesh = stopLater(await TestMesh.start(2))
    await mesh.linked()
    const [first, second] = [mesh.host(0), mesh.host(1)]

    const link = await eventually('a round trip', () =>
      first.node.links().find(({ rttMs }) => rttMs !== undefined)
    )

    expect(link.peerId).toBe(second.key.peerId)
    expect(link.address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)
    expect(link.rttMs).toBeGreaterThan(0)
    expect(link.rttMs).toBeLessThan(1_000)
    expect(link.sinceMs).toBeGreaterThanOrEqual(startMs)
    expect(link.sinceMs).toBeLessThanOrEqual(Date.now())
  })

  test('to a peer that went silent is cut after several missed pings, not after the first', async () => {
    const clock = new SteeredClock(PING_EVERY_MS)
    const mesh = stopLater(new TestMesh())
    const host = await mesh.addHost({ clock })
    const silent = generateKey()
    const members = [...mesh.entries(), memberEntry(silent.peerId)]
    await host.book.offer(sealRoster(mesh.authority, rosterOf(mesh.authority, members)).bytes)
    // A raw peer knows no ping: to the other side that is the same as one that does not answer.
    const peer = stopLater(await rawPeer(silent))
    await dialRaw(peer, host.node)
    await eventually('a link', () => host.node.links().length === 1)

    // The first ping left when the link came up.
    for (let ping = 2; ping < PINGS_MISSED_MAX; ping += 1) {
      clock.fire()
      await eventually('the round is over', () => clock.held() > 0)
      expect(host.node.links()).toHaveLength(1)
    }
    clock.fire()

    await eventually('cut', () => host.node.links().length === 0)
  })

  test('comes back after the peer was away, and requests with it', async () => {
    const mesh = stopLater(await TestMesh.start(2, echo))
    await mesh.linked()
    const [host, other] = [mesh.host(0), mesh.host(1)]
    const ask = (): Promise<Uint8Array> =>
      host.node.request(other.key.peerId, PROTOCOLS.query, Uint8Array.of(1), { timeoutMs: 2_000 })
    await ask()
    const [listen, current] = [other.node.addresses(), other.book.current()]
    const events: string[] = []
    host.node.onLink(({ kind }) => events.push(kind))
    await other.exchange.stop()
    await other.node.stop()
    await eventually('link down', () => host.node.links().length === 0)
    await expect(ask()).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    if (current === undefined) throw new Error('no roster')

    await mesh.startHost({ key: other.key, listen, roster: current, ...echo })

    await eventually('link up', () => host.node.links().length === 1)
    expect([...(await ask())]).toEqual([1])
    expect(events).toEqual(['down', 'up'])
  }, 30_000)
})

describe('a node that stops', () => {
  test('fails what is in flight and takes nothing more', async () => {
    const mesh = stopLater(
      await TestMesh.start(2, {
        prepare: (node) => node.handle(PROTOCOLS.query, () => new Promise(() => undefined))
      })
    )
    await mesh.linked()
    const [host, other] = [mesh.host(0), mesh.host(1)]
    const ask = (): Promise<Uint8Array> =>
      host.node.request(other.key.peerId, PROTOCOLS.query, Uint8Array.of(1), { timeoutMs: 60_000 })
    const inFlight = ask()
    inFlight.catch(() => undefined)

    await host.node.stop()

    await expect(inFlight).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await expect(ask()).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })

  test('leaves nothing behind that keeps its process alive', async () => {
    const script = resolve(import.meta.dirname, '../support/stopping-mesh.ts')
    const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: 'pipe' })
    let output = ''
    let stoppedMs = 0
    child.stdout.on('data', (bytes) => {
      output += String(bytes)
      if (output.includes('stopped')) stoppedMs ||= Date.now()
    })
    child.stderr.on('data', (bytes) => {
      output += String(bytes)
    })
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(25_000) })

    expect(output).toContain('stopped')
    expect(code).toBe(0)
    // Gossip's last heartbeat, at most a second, and nothing of ours.
    expect(Date.now() - stoppedMs).toBeLessThan(5_000)
  }, 30_000)
})
