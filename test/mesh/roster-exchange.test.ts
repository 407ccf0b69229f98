import { afterEach, describe, expect, test } from 'vitest'
import { ROSTER_BYTES_MAX, ROSTER_OFFERS_MAX } from '../../protocol/core/limits.ts'
import type { SealedRoster } from '../../protocol/core/roster.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import {
  decodeRosterReply,
  encodeRosterRequest,
  type RosterReply
} from '../../protocol/wire/roster-message.ts'
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

/** A stranger that speaks the roster protocol with a host. */
class Stranger {
  readonly key: MeshKey
  readonly #raw: RawStream
  #lastId = 0

  private constructor(key: MeshKey, raw: RawStream) {
    this.key = key
    this.#raw = raw
  }

  static async meet(host: MeshHost): Promise<Stranger> {
    const key = generateKey()
    const peer = stopLater(await rawPeer(key))
    const connection = await dialRaw(peer, host.node)
    return new Stranger(key, await RawStream.open(connection, PROTOCOLS.roster))
  }

  get isCutOff(): boolean {
    return this.#raw.isClosed
  }

  /** The reply, or the code of the refusal. */
  async handIn(bytes: Uint8Array | undefined): Promise<RosterReply | string> {
    this.#lastId += 1
    const id = this.#lastId
    this.#raw.request(id, encodeRosterRequest({ version: 0, witnessEpoch: undefined, bytes }))
    const frame = await eventually('an answer', () => this.#raw.frames.find((one) => one.id === id))
    return frame.kind === 'error' ? frame.code : decodeRosterReply(frame.body)
  }
}

/** A host without a roster, and one that its authority made for it. */
async function freshHost(): Promise<{ mesh: TestMesh; host: MeshHost; made: SealedRoster }> {
  const mesh = stopLater(new TestMesh())
  const host = await mesh.addHost({
    prepare: (node) => node.handle(PROTOCOLS.query, async (_remote, body) => body)
  })
  const made = sealRoster(mesh.authority, rosterOf(mesh.authority, mesh.entries()))
  return { mesh, host, made }
}

function currentOf(host: MeshHost): SealedRoster {
  const current = host.book.current()
  if (current === undefined) throw new Error('no roster')
  return current
}

describe('a host without a roster', () => {
  test('lets anyone connect and answers the roster protocol only', async () => {
    const { host } = await freshHost()
    const stranger = stopLater(await rawPeer(generateKey()))
    const connection = await dialRaw(stranger, host.node)
    const query = await RawStream.open(connection, PROTOCOLS.query)
    query.request(1)
    await eventually('query refused', () => query.isClosed)
    expect(query.frames).toEqual([])

    const roster = await RawStream.open(connection, PROTOCOLS.roster)
    const request = { version: 0, witnessEpoch: undefined, bytes: undefined }
    roster.request(1, encodeRosterRequest(request))
    const answer = await eventually('an answer', () => roster.frames[0])

    expect(decodeRosterReply(answer.body)).toEqual({ version: 0, bytes: undefined })
    expect(connection.streams.map(({ protocol }) => protocol)).not.toContain('/meshsub/1.2.0')
    expect(host.node.links()).toEqual([])
  })

  test('takes only a roster of its pinned authority that names it; then strangers must go', async () => {
    const { mesh, host, made } = await freshHost()
    const stranger = await Stranger.meet(host)
    const usurper = generateKey()
    const forOthers = rosterOf(mesh.authority, [memberEntry(generateKey().peerId)])

    const usurped = sealRoster(usurper, rosterOf(usurper, mesh.entries()))
    expect(await stranger.handIn(usurped.bytes)).toBe('ROSTER_INVALID')
    expect(await stranger.handIn(sealRoster(mesh.authority, forOthers).bytes)).toBe(
      'ROSTER_INVALID'
    )
    expect(host.book.current()).toBeUndefined()

    // No answer to wait for: with the roster in force its bearer, who is not in it, is cut off.
    stranger.handIn(made.bytes).catch(() => undefined)
    await eventually('taken', () => host.book.current()?.hash === made.hash)
    await eventually('the stranger is cut off', () => stranger.isCutOff)
  })

  test.each([
    ['forged', (bytes: Uint8Array) => bytes.map((byte, at) => (at === 60 ? byte ^ 1 : byte))],
    ['truncated', (bytes: Uint8Array) => bytes.subarray(0, -1)],
    ['extended', (bytes: Uint8Array) => Buffer.concat([bytes, Uint8Array.of(0)])],
    ['empty', () => new Uint8Array(0)]
  ])('refuses a roster that is %s', async (_name, damage) => {
    const { host, made } = await freshHost()
    const stranger = await Stranger.meet(host)

    expect(await stranger.handIn(damage(made.bytes))).toBe('ROSTER_INVALID')
    expect(host.book.current()).toBeUndefined()
  })
})

describe('a host without a roster is not worn out by strangers: it', () => {
  test('refuses one that is too large, before it looks at it', async () => {
    const { host } = await freshHost()
    const stranger = stopLater(await rawPeer(generateKey()))
    const raw = await RawStream.open(await dialRaw(stranger, host.node), PROTOCOLS.roster)
    const head = Buffer.concat([Uint8Array.of(0x1a), varint(ROSTER_BYTES_MAX + 1)])
    raw.request(1, Buffer.concat([head, new Uint8Array(ROSTER_BYTES_MAX + 1)]))

    const answer = await eventually('an answer', () => raw.frames[0])

    expect(answer.kind).toBe('error')
    expect(['MESSAGE_INVALID', 'MESSAGE_TOO_LARGE']).toContain(answer.code)
    expect(host.book.current()).toBeUndefined()
  })

  test('does not check signatures without end for one stranger', async () => {
    const { host } = await freshHost()
    const stranger = await Stranger.meet(host)
    const codes: (RosterReply | string)[] = []
    for (let count = 0; count < ROSTER_OFFERS_MAX * 2; count += 1) {
      codes.push(await stranger.handIn(Uint8Array.of(1)))
    }

    const checked = codes.filter((code) => code === 'ROSTER_INVALID').length
    expect(checked).toBeGreaterThanOrEqual(ROSTER_OFFERS_MAX)
    expect(codes).toContain('OVERLOADED')
  })
})

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

describe('a newer roster', () => {
  test('given to one member reaches all, the new one included, and links them', async () => {
    const mesh = stopLater(await TestMesh.start(3))
    await mesh.linked()
    const joiner = await mesh.addHost()
    const next = nextRoster(mesh.authority, currentOf(mesh.host(0)), mesh.entries())

    expect(await mesh.host(0).book.offer(next.bytes)).toBe('newer')

    await mesh.linked()
    for (const { book } of mesh.hosts) expect(book.current()?.hash).toBe(next.hash)
    expect(joiner.book.at(1)).toBeUndefined()
    expect(await joiner.exchange.fetch(1, AbortSignal.timeout(5_000))).toBe(true)
    expect(joiner.book.at(1)?.members).toHaveLength(3)
    expect(joiner.book.current()?.hash).toBe(next.hash)
  }, 30_000)

  test('finds a member that was away when it comes back', async () => {
    const mesh = stopLater(await TestMesh.start(2))
    await mesh.linked()
    const [stays, leaves] = [mesh.host(0), mesh.host(1)]
    const old = currentOf(stays)
    const listen = leaves.node.addresses()
    await leaves.exchange.stop()
    await leaves.node.stop()
    const extra = memberEntry(generateKey().peerId)
    const next = nextRoster(mesh.authority, old, [...old.roster.members, extra])
    await stays.book.offer(next.bytes)

    const back = await mesh.startHost({ key: leaves.key, listen, roster: old })

    await eventually('it has the newer one', () => back.book.current()?.hash === next.hash)
  }, 30_000)

  test('is not undone by an older one that someone plays back', async () => {
    const mesh = stopLater(await TestMesh.start(2))
    await mesh.linked()
    const [first, second] = [mesh.host(0), mesh.host(1)]
    const old = currentOf(first)
    const extra = memberEntry(generateKey().peerId)
    const next = nextRoster(mesh.authority, old, [...mesh.entries(), extra])
    await first.book.offer(next.bytes)
    await eventually('both have it', () => second.book.current()?.hash === next.hash)

    const replay = encodeRosterRequest({ version: 9, witnessEpoch: undefined, bytes: old.bytes })
    const options = { timeoutMs: 5_000 }
    const reply = await first.node.request(second.key.peerId, PROTOCOLS.roster, replay, options)

    expect(decodeRosterReply(reply).version).toBe(2)
    expect(second.book.current()?.hash).toBe(next.hash)
  }, 30_000)
})
