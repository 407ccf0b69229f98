import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Libp2p } from 'libp2p'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MeshError } from '../../protocol/core/errors.ts'
import {
  FRAME_BYTES_MAX,
  OUTBOUND_BUFFER_BYTES_MAX,
  REQUESTS_IN_FLIGHT_MAX
} from '../../protocol/core/limits.ts'
import type { Frame } from '../../protocol/wire/frame.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from '../support/eventually.ts'
import { type MeshHost, memberEntry, rosterOf, TestMesh } from '../support/mesh-nodes.ts'
import { dialRaw, RawStream, rawPeer } from '../support/raw-peer.ts'
import { HeldAnswers, transportContract } from '../support/transport-contract.ts'

const { query, log, register, join, secrets } = PROTOCOLS
const MIB = 1_048_576
const OPTIONS = { timeoutMs: 10_000 }
const codeIs = (code: string): unknown => expect.objectContaining({ code })

/** Bytes of all buffers in this process that something still holds. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().arrayBuffers
}

type Answer = (body: Uint8Array) => Promise<Uint8Array>

/** Two hosts and a raw peer, all members; what the second host answers is a switch. */
class Trio {
  readonly mesh = new TestMesh()
  readonly rawKey: MeshKey = generateKey()
  readonly absent: MeshKey = generateKey()
  answer: Answer = async (body) => body
  raw: Libp2p | undefined

  static async start(): Promise<Trio> {
    const trio = new Trio()
    const { mesh, rawKey, absent } = trio
    for (let count = 0; count < 2; count += 1) {
      await mesh.addHost({
        prepare: (node) => {
          node.handle(query, (_remote, body) => trio.answer(body))
          node.handle(log, async (_remote, body) => body)
        }
      })
    }
    trio.raw = await rawPeer(rawKey)
    const members = [
      ...mesh.entries(),
      memberEntry(rawKey.peerId, {
        addresses: trio.raw
          .getMultiaddrs()
          .map((address) => String(address).split('/p2p/')[0] ?? '')
      }),
      // Nobody listens on the discard port.
      memberEntry(absent.peerId, { addresses: ['/ip4/127.0.0.1/tcp/9'] })
    ]
    const sealed = sealRoster(mesh.authority, rosterOf(mesh.authority, members))
    for (const { book } of mesh.hosts) await book.offer(sealed.bytes)
    await eventually('links', () => trio.asker.node.links().length === 2)
    await eventually('links', () => trio.answerer.node.links().length === 2)
    return trio
  }

  get asker(): MeshHost {
    return this.mesh.host(0)
  }

  get answerer(): MeshHost {
    return this.mesh.host(1)
  }

  get rawPeer(): Libp2p {
    if (this.raw === undefined) throw new Error('not started')
    return this.raw
  }

  request(body: Uint8Array, timeoutMs = OPTIONS.timeoutMs): Promise<Uint8Array> {
    return this.asker.node.request(this.answerer.key.peerId, query, body, { timeoutMs })
  }

  requestRaw(
    protocol: string,
    body: Uint8Array,
    timeoutMs = OPTIONS.timeoutMs
  ): Promise<Uint8Array> {
    return this.asker.node.request(this.rawKey.peerId, protocol, body, { timeoutMs })
  }

  /** What the raw peer answers on that protocol, one a test; gives its streams as they come. */
  async answerRaw(
    protocol: string,
    answer: (frame: Frame, raw: RawStream, isFirst: boolean) => void
  ): Promise<readonly RawStream[]> {
    const streams: RawStream[] = []
    await this.rawPeer.handle(protocol, (stream) => {
      const isFirst = streams.length === 0
      streams.push(new RawStream(stream, (frame, raw) => answer(frame, raw, isFirst)))
    })
    return streams
  }

  /** A stream from the raw peer to the answering host. */
  async openRaw(protocol: string): Promise<RawStream> {
    return await RawStream.open(await dialRaw(this.rawPeer, this.answerer.node), protocol)
  }

  async stop(): Promise<void> {
    await this.raw?.stop()
    await this.mesh.stop()
  }
}

let trio: Trio
beforeAll(async () => {
  trio = await Trio.start()
}, 30_000)
afterAll(async () => {
  await trio.stop()
})

transportContract('a request stream', async () => ({
  request: (body, options) =>
    trio.asker.node.request(trio.answerer.key.peerId, query, body, options),
  requestAbsent: (body, options) =>
    trio.asker.node.request(trio.absent.peerId, query, body, options),
  requestOutsider: (body, options) =>
    trio.asker.node.request(generateKey().peerId, query, body, options),
  answer: (handler) => {
    trio.answer = handler
  },
  stop: () => Promise.resolve()
}))

describe('one stream carries all requests to a peer', () => {
  test('1 000 requests go over one stream, with ids in order, each answered with its own', async () => {
    const streams = await trio.answerRaw(query, (frame, raw) => {
      // Answered out of order: pairs swapped.
      if (frame.id % 2 === 0) for (const id of [frame.id, frame.id - 1]) raw.respond(id)
    })
    const rounds = 5
    for (let round = 0; round < rounds; round += 1) {
      const body = Uint8Array.of(round)
      await Promise.all(Array.from({ length: 1_000 / rounds }, () => trio.requestRaw(query, body)))
    }

    expect(streams).toHaveLength(1)
    const ids = streams[0]?.frames.map(({ id }) => id)
    expect(ids).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1))
  })

  test('the 257th in flight is refused here, and the 256 before it are answered', async () => {
    const held = new HeldAnswers()
    trio.answer = held.answer
    const body = Uint8Array.of(1)
    const requests = Array.from({ length: REQUESTS_IN_FLIGHT_MAX }, () => trio.request(body))

    await expect(trio.request(body)).rejects.toEqual(codeIs('OVERLOADED'))

    await eventually('all asked', () => held.count === REQUESTS_IN_FLIGHT_MAX)
    held.release()
    expect(await Promise.all(requests)).toHaveLength(REQUESTS_IN_FLIGHT_MAX)
  })

  test('the 257th of a peer that sends it all the same is refused there', async () => {
    const held = new HeldAnswers()
    trio.answer = held.answer
    const [first, second] = [await trio.openRaw(query), await trio.openRaw(query)]
    for (let id = 1; id <= REQUESTS_IN_FLIGHT_MAX; id += 1) first.request(id)
    await eventually('all taken', () => held.count === REQUESTS_IN_FLIGHT_MAX)

    // A second stream buys no more room.
    for (const raw of [first, second]) raw.request(REQUESTS_IN_FLIGHT_MAX + 1)

    const refusal = { id: REQUESTS_IN_FLIGHT_MAX + 1, code: 'OVERLOADED' }
    expect(await eventually('refused', () => first.frames[0])).toMatchObject(refusal)
    expect(await eventually('refused', () => second.frames[0])).toMatchObject(refusal)
    held.release()
    await eventually('answers', () => first.frames.length === REQUESTS_IN_FLIGHT_MAX + 1)
    for (const raw of [first, second]) raw.stream.abort(new Error('end of test'))
  })

  test('a round trip is not held up by the kernel: half of them take under 20 ms', async () => {
    trio.answer = async (body) => body
    const times: number[] = []
    for (let count = 0; count < 60; count += 1) {
      const startMs = performance.now()
      await trio.request(new Uint8Array(600))
      times.push(performance.now() - startMs)
    }
    times.sort((a, b) => a - b)

    // Nagle's algorithm with delayed acknowledgements would make every one of them 40 ms and more.
    expect(times[30]).toBeLessThan(20)
  })
})

describe('what makes no sense ends its stream and nothing else', () => {
  test('a garbage frame drops that stream; the other one and the connection live on', async () => {
    const [bad, good] = [await trio.openRaw(query), await trio.openRaw(log)]
    bad.send(Uint8Array.of(0xff, 0xff, 0xff))
    await eventually('bad stream closed', () => bad.isClosed)

    good.request(1, Uint8Array.of(5))

    const answer = await eventually('an answer', () => good.frames[0])
    expect([...answer.body]).toEqual([5])
    good.stream.abort(new Error('end of test'))
  })

  test.each([
    ['an id twice', [1, 1]],
    ['ids that go back', [2, 1]]
  ])('%s drops the stream', async (_name, ids) => {
    const raw = await trio.openRaw(log)
    for (const id of ids) raw.request(id)

    await eventually('closed', () => raw.isClosed)
  })

  test('a peer without that protocol is unreachable on it, and reachable on the others', async () => {
    const { asker, answerer } = trio
    const refused = asker.node.request(answerer.key.peerId, register, Uint8Array.of(1), OPTIONS)
    await expect(refused).rejects.toEqual(codeIs('PEER_UNREACHABLE'))

    expect(await asker.node.request(answerer.key.peerId, log, Uint8Array.of(1), OPTIONS)).toEqual(
      Buffer.from([1])
    )
  })

  test('a code that a handler throws arrives as that code', async () => {
    trio.answer = () => Promise.reject(new MeshError('JOB_UNKNOWN', { id: 'x' }))

    const error = await trio.request(Uint8Array.of(1)).catch((cause: unknown) => cause)

    expect(error).toMatchObject({ code: 'REQUEST_REFUSED', facts: { refusal: 'JOB_UNKNOWN' } })
  })
})

describe('the asker judges answers by what it asked', () => {
  test('an answer to nothing drops the stream; the next request opens a new one', async () => {
    const streams = await trio.answerRaw(register, (frame, raw, isFirst) => {
      raw.respond(isFirst ? frame.id + 7 : frame.id)
    })

    const first = trio.requestRaw(register, Uint8Array.of(1))
    await expect(first).rejects.toEqual(codeIs('PEER_UNREACHABLE'))
    await trio.requestRaw(register, Uint8Array.of(1))

    expect(streams).toHaveLength(2)
  })

  test('a late answer to a request given up is no offence', async () => {
    let late: (() => void) | undefined
    const streams = await trio.answerRaw(join, (frame, raw) => {
      if (late === undefined) late = () => raw.respond(frame.id)
      else raw.respond(frame.id)
    })

    const given = trio.requestRaw(join, Uint8Array.of(1), 200)
    await expect(given).rejects.toEqual(codeIs('REQUEST_TIMED_OUT'))
    late?.()
    await trio.requestRaw(join, Uint8Array.of(2))

    expect(streams).toHaveLength(1)
  })
})

describe('a peer that stops reading costs a bounded amount of memory', () => {
  test('its requests are answered into a bounded buffer, then its stream is dropped', async () => {
    const answerBytes = MIB / 4
    let asked = 0
    trio.answer = async () => {
      asked += 1
      return new Uint8Array(answerBytes)
    }
    const raw = await trio.openRaw(query)
    raw.stream.pause()
    const beforeBytes = heldBytes()

    let id = 0
    const ask = (requests: number): void => {
      for (let count = 0; count < requests && !raw.isClosed; count += 1) {
        id += 1
        raw.request(id)
      }
    }
    ask(128)
    await eventually('all asked', () => asked === 128)

    // 32 MiB of answers; both ends are in this process, so that the raw side's window counts too.
    expect(asked * answerBytes).toBe(32 * MIB)
    // The last ones may still be on their way from the handler into the buffer, or out of it.
    await eventually('only what is buffered is held', () => {
      return heldBytes() - beforeBytes < 2 * OUTBOUND_BUFFER_BYTES_MAX
    })
    trio.answer = async () => new Uint8Array(4_096)
    await eventually('dropped', () => {
      ask(200)
      return raw.isClosed
    })
    trio.answer = async (body) => body
    expect([...(await trio.request(Uint8Array.of(9)))]).toEqual([9])
  })

  test('requests to it are refused once the buffer is full', async () => {
    await trio.rawPeer.handle(secrets, (stream) => stream.pause())
    const body = new Uint8Array(MIB)
    const codes = await Promise.all(
      Array.from({ length: 40 }, () =>
        trio.requestRaw(secrets, body, 1_000).catch((cause: MeshError) => cause.code)
      )
    )

    const refused = codes.filter((code) => code === 'OVERLOADED').length
    expect(new Set(codes)).toEqual(new Set(['OVERLOADED', 'REQUEST_TIMED_OUT']))
    expect((40 - refused) * MIB).toBeLessThanOrEqual(OUTBOUND_BUFFER_BYTES_MAX)
  })

  test('a request or an answer over the limit is refused, not sent', async () => {
    const large = new Uint8Array(FRAME_BYTES_MAX + 1)
    await expect(trio.request(large)).rejects.toEqual(codeIs('MESSAGE_TOO_LARGE'))

    trio.answer = async () => large
    const error = await trio.request(Uint8Array.of(1)).catch((cause: unknown) => cause)

    expect(error).toMatchObject({
      code: 'REQUEST_REFUSED',
      facts: { refusal: 'MESSAGE_TOO_LARGE' }
    })
  })

  test('the largest answer arrives whole', async () => {
    const large = new Uint8Array(FRAME_BYTES_MAX).fill(3)
    trio.answer = async () => large

    const answer = await trio.request(Uint8Array.of(1))

    expect(Buffer.compare(answer, large)).toBe(0)
  })
})
