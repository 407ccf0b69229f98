import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Converse, converse } from '../../../agent/execute/converse.ts'
import { eventually } from '../../support/eventually.ts'

/** Longer than any test: a rest of that long ends by something else or not at all. */
const FOR_EVER_MS = 3_600_000
const CHUNK = 'x'.repeat(1_000)

let root = ''
let server: Server
let engine: Socket
let socket: Socket
let read: number
let isRunning: boolean

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'runner-mesh-converse-'))
  const path = join(root, 'socket')
  const accepted = Promise.withResolvers<Socket>()
  server = createServer((one) => accepted.resolve(one)).listen(path)
  await new Promise((resolve) => server.once('listening', resolve))
  socket = connect(path)
  engine = await accepted.promise
  read = 0
  isRunning = true
})

afterEach(async () => {
  engine.destroy()
  socket.destroy()
  server.close()
  await rm(root, { recursive: true, force: true })
})

function conversation(request: Converse['request'], restMs = FOR_EVER_MS): Promise<void> {
  const onChunk = (chunk: Uint8Array): void => {
    read += chunk.length
  }
  const runs = (): Promise<boolean> => Promise.resolve(isRunning)
  return converse(socket, { request: { restMs: () => restMs, ...request }, runs, onChunk })
}

/** The first chunk is read, and the reader rests, with the second one at its door. */
async function twoChunks(): Promise<void> {
  engine.write(CHUNK)
  await eventually('the first is read', () => read === CHUNK.length)
  engine.write(CHUNK)
}

describe('a reader that rests', () => {
  test('reads nothing while somebody may still write', async () => {
    const talk = conversation({})
    await twoChunks()
    engine.end()
    expect(read).toBe(CHUNK.length)

    isRunning = false
    await talk
    expect(read).toBe(2 * CHUNK.length)
  })

  test('goes on at once when the process is known to have ended', async () => {
    let hasEnded = false
    const talk = conversation({ hasEnded: () => hasEnded })
    await twoChunks()
    hasEnded = true
    await eventually('the second is read', () => read === 2 * CHUNK.length)

    // And rests no more: what is left of it keeps nobody from writing.
    engine.write(CHUNK)
    await eventually('the third is read', () => read === 3 * CHUNK.length)
    engine.end()
    await talk
  })

  test('reads what has come when it is told to end', async () => {
    const stop = new AbortController()
    const talk = conversation({ signal: stop.signal }, 50)
    // While it rests nothing more is taken from the kernel than this.
    socket.pause()
    engine.write(CHUNK)
    await eventually('it has come', () => {
      socket.read(0)
      return socket.readableLength === CHUNK.length
    })
    stop.abort(new Error('the lease is over'))

    await expect(talk).rejects.toThrow('the lease is over')
    expect(read).toBe(CHUNK.length)
  })
})
