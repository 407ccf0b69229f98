import type { Socket } from 'node:net'
import type { Connection, MessageStream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OUTBOUND_BUFFER_BYTES_MAX } from '../../protocol/core/limits.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { eventually } from '../support/eventually.ts'
import { rawPeer } from '../support/raw-peer.ts'

/* What a peer can send below its streams, where none of our own readers looks. */

const DATA = 0
const PING = 2
const SYN = 1
const PINGS_A_CHUNK = 5_000

let attacker: Libp2p
let victim: Libp2p
beforeEach(async () => {
  attacker = await rawPeer(generateKey())
  victim = await rawPeer(generateKey())
})
afterEach(async () => {
  await Promise.all([attacker.stop(), victim.stop()])
})

/** One header of yamux: version 0, type, flags, stream, length. */
function header(type: number, stream: number, length: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt8(type, 1)
  bytes.writeUInt16BE(SYN, 2)
  bytes.writeUInt32BE(stream, 4)
  bytes.writeUInt32BE(length, 8)
  return bytes
}

interface Under extends MessageStream {
  readonly stream: { readonly socket: Socket }
}

/** The encrypted channel below the attacker's muxer. */
async function under(): Promise<Under> {
  const connection = await attacker.dial(victim.getMultiaddrs())
  await eventually('a quiet connection', () => connection.streams.length === 0)
  return (connection as Connection & { readonly muxer: { readonly maConn: Under } }).muxer.maConn
}

/** Writes `chunk` until the victim ends the connection, or has taken `times` of them. */
async function pour(channel: Under, chunk: Buffer, times: number): Promise<void> {
  for (let sent = 0; sent < times && victim.getConnections().length > 0; sent++) {
    if (channel.status === 'open') channel.send(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Sockets that the victim's listener still has. */
function socketsOf(peer: Libp2p): number {
  const { components } = peer as unknown as {
    components: { transportManager: { getListeners(): { sockets: Set<Socket> }[] } }
  }
  const all = components.transportManager.getListeners().flatMap(({ sockets }) => [...sockets])
  return all.filter((socket) => !socket.destroyed).length
}

describe('a peer that speaks yamux of its own making', () => {
  test('cannot have a frame kept that is longer than any window', async () => {
    const channel = await under()
    channel.send(header(DATA, 1, 0xffff_ffff))
    await pour(channel, Buffer.alloc(1 << 20), 64)

    await eventually('cut off', () => victim.getConnections().length === 0)
  })

  test('cannot have answers kept that it does not read', async () => {
    const channel = await under()
    channel.stream.socket.pause()
    const pings = Buffer.concat(Array.from({ length: PINGS_A_CHUNK }, () => header(PING, 0, 7)))
    // More than the kernel and we may hold: each answer is longer than its question.
    await pour(channel, pings, Math.ceil((OUTBOUND_BUFFER_BYTES_MAX * 6) / pings.length))

    await eventually('cut off', () => victim.getConnections().length === 0)
  })

  test('cannot keep a socket by ending its own half and not reading', async () => {
    const channel = await under()
    const { socket } = channel.stream
    socket.pause()
    const pings = Buffer.concat(Array.from({ length: PINGS_A_CHUNK }, () => header(PING, 0, 7)))
    await pour(channel, pings, 60)
    socket.end()

    await eventually('closed', () => victim.getConnections().length === 0)
    await eventually('no socket left', () => socketsOf(victim) === 0)
    expect(socketsOf(victim)).toBe(0)
  })
})
