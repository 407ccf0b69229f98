import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { eventually } from '../support/eventually.ts'
import { rawPeer } from '../support/raw-peer.ts'

let dialler: Libp2p
let listener: Libp2p
beforeEach(async () => {
  dialler = await rawPeer(generateKey())
  listener = await rawPeer(generateKey())
})
afterEach(async () => {
  await Promise.all([dialler.stop(), listener.stop()])
})

/** Lets `end` end the connection in the turn in which a stream is opened. */
async function openedWhile(end: (connection: Connection) => unknown): Promise<string> {
  const connection = await dialler.dial(listener.getMultiaddrs())
  // Identify's own streams are over.
  await eventually('a quiet connection', () => connection.streams.length === 0)
  const opening = connection.newStream(PROTOCOLS.query).then(
    () => 'opened',
    (error: Error) => error.name
  )
  end(connection)
  return await opening
}

describe('a connection that ends while a stream is being opened', () => {
  test('fails the opening, and nothing that would end the process', async () => {
    // Vitest fails the run for whatever is not caught.
    const aborted = await openedWhile((connection) => connection.abort(new Error('gone')))
    const closed = await openedWhile((connection) => void connection.close())

    expect([aborted, closed]).not.toContain('opened')
  })
})

/** Bytes of a stream's window when it is new, by yamux. */
const WINDOW_BYTES = 262_144

/** A stream from dialler to listener, with both of its ends. */
async function bothEnds(): Promise<{ readonly near: Stream; readonly far: Stream }> {
  const { promise, resolve } = Promise.withResolvers<Stream>()
  await listener.handle(PROTOCOLS.query, (stream) => resolve(stream))
  const connection = await dialler.dial(listener.getMultiaddrs())
  await eventually('a quiet connection', () => connection.streams.length === 0)
  return { near: await connection.newStream(PROTOCOLS.query), far: await promise }
}

/** How often this end granted its peer more of its window. */
function countGrants(stream: Stream): () => number {
  const muxer = stream as Stream & { sendFrame(header: { type: number }, data?: unknown): boolean }
  const send = muxer.sendFrame.bind(stream)
  let grants = 0
  muxer.sendFrame = (header, data) => {
    if (data === undefined) grants += 1
    return send(header, data)
  }
  return () => grants
}

describe('a stream', () => {
  test('grants its window by halves, and none for a few small messages', async () => {
    const { near, far } = await bothEnds()
    const grants = countGrants(far)
    let receivedBytes = 0
    far.addEventListener('message', ({ data }) => {
      receivedBytes += data.byteLength
    })

    for (let count = 1; count <= 50; count++) {
      near.send(new Uint8Array(1_000))
      await eventually('the message', () => receivedBytes === count * 1_000)
    }

    expect(grants()).toBe(0)
  })

  test('carries many times its window, whoever waits for whom', async () => {
    const { near, far } = await bothEnds()
    const grants = countGrants(far)
    let receivedBytes = 0
    far.addEventListener('message', ({ data }) => {
      receivedBytes += data.byteLength
    })
    const wantedBytes = 12 * WINDOW_BYTES + 7

    // Odd sizes, so that the window never ends where a message does.
    for (let sent = 0; sent < wantedBytes; ) {
      const bytes = Math.min(100_003, wantedBytes - sent)
      if (!near.send(new Uint8Array(bytes))) await near.onDrain()
      sent += bytes
    }
    await eventually('all of it', () => receivedBytes === wantedBytes)

    expect(grants()).toBeGreaterThan(0)
    expect(grants()).toBeLessThanOrEqual((2 * wantedBytes) / WINDOW_BYTES)
  })
})
