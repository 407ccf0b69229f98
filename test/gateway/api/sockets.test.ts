import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DELIVERY_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { HttpRig, signedPost } from '../../support/http-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/* What only a real socket shows: when an answer comes, and whether the connection ends. */

const REQUEST_MS_MAX = 400

let rig: HttpRig
let port: number

beforeEach(async () => {
  rig = await HttpRig.make({ requestMsMax: REQUEST_MS_MAX })
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  port = (rig.app.server.address() as AddressInfo).port
})

afterEach(() => rig.stop())

interface Talk {
  /** Everything that the server said until it closed the connection, or until `enough`. */
  readonly reply: string
  readonly sentBytes: number
}

/** Writes `chunks` as fast as the server takes them, until it ends the connection. */
function talk(chunks: Iterable<string | Buffer>, enough = /$^/): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let reply = ''
    let sentBytes = 0
    const iterator = chunks[Symbol.iterator]()
    const write = (): void => {
      for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
        sentBytes += next.value.length
        if (!socket.write(next.value)) return
      }
    }
    const end = (): void => {
      clearTimeout(limit)
      socket.destroy()
      resolve({ reply, sentBytes })
    }
    const limit = setTimeout(() => reject(new Error(`no end; it said: ${reply}`)), 10_000)
    socket.on('connect', write).on('drain', write)
    socket.on('data', (data) => {
      reply += data.toString()
      if (enough.test(reply)) end()
    })
    // A server that closes while we still write resets the connection: that is its good right.
    socket.on('error', end).on('close', end)
  })
}

const HEAD = 'POST /hooks/git HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'

function* endlessBody(bytes: number): Generator<Buffer | string> {
  yield `${HEAD}transfer-encoding: chunked\r\n\r\n`
  const chunk = Buffer.alloc(65_536, 0x20)
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    yield '10000\r\n'
    yield chunk
    yield '\r\n'
  }
  yield '0\r\n\r\n'
}

async function works(): Promise<void> {
  const post = signedPost()
  const reply = await fetch(`http://127.0.0.1:${port}${post.url}`, {
    method: 'POST',
    headers: post.headers,
    body: post.payload
  })
  expect(reply.status).toBe(202)
}

test('a streamed body is refused at its limit, not at its end', async () => {
  const { reply, sentBytes } = await talk(endlessBody(64 * DELIVERY_BYTES_MAX), /\}$/)

  expect(reply).toMatch(/^HTTP\/1\.1 413 /)
  expect(reply).toContain('"code":"BODY_TOO_LARGE"')
  expect(sentBytes).toBeLessThan(16 * DELIVERY_BYTES_MAX)
  await works()
})

test('a body that says that it is too long is refused before it is sent', async () => {
  const length = `content-length: ${DELIVERY_BYTES_MAX + 1}\r\n\r\n`

  const { reply } = await talk([HEAD, length], /\}$/)

  expect(reply).toMatch(/^HTTP\/1\.1 413 /)
  await works()
})

test.each([
  ['body', [HEAD, 'content-length: 10\r\n\r\n', '{"a"']],
  ['head', [HEAD]]
])('a %s that does not come is cut off with 408 soon after its limit', async (_name, chunks) => {
  const startMs = performance.now()

  const { reply } = await talk(chunks)

  expect(reply).toMatch(/^HTTP\/1\.1 408 /)
  expect(reply).toContain('"code":"REQUEST_SLOW"')
  expect(performance.now() - startMs).toBeLessThan(10 * REQUEST_MS_MAX)
  await works()
})

test('headers without end are refused with 431', async () => {
  const { reply } = await talk([HEAD, `x-long: ${'x'.repeat(20_000)}\r\n\r\n`])

  expect(reply).toMatch(/^HTTP\/1\.1 431 /)
  expect(reply).toContain('application/problem+json')
  await works()
})

test.each(['\r\n\r\n\u0000\u0001', 'GET\r\n\r\n', 'POST /hooks/git HTTP/1.1\r\n: x\r\n\r\n'])(
  'what is no HTTP (%j) is refused with 400',
  async (text) => {
    const { reply } = await talk([text, ...(text.startsWith('\r') ? [text] : [])])

    expect(reply).toMatch(/^HTTP\/1\.1 400 /)
    expect(reply).toContain('"code":"REQUEST_INVALID"')
    await works()
  }
)

test('a client that goes away in the middle leaves nothing behind', async () => {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${HEAD}content-length: 100\r\n\r\n{"a"`)
  await new Promise((resolve) => socket.once('ready', resolve))
  socket.destroy()

  await works()
  expect((await rig.store.inbox.list(10, undefined)).deliveries).toHaveLength(1)
})
