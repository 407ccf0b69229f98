import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AUTH_FAILURES_PER_MINUTE_MAX } from '../../../protocol/core/limits.ts'
import { createLog } from '../../../protocol/host/log.ts'
import { eventually } from '../../support/eventually.ts'
import { HttpRig, pushBody, signedPost } from '../../support/http-rig.ts'
import { keptLog } from '../../support/kept-log.ts'
import { webhookSecret } from '../../support/standard-webhook.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/* All requests here come from one address, as they do behind a proxy. */

const REQUESTS = 5
const CONNECTIONS = 2

let rig: HttpRig

beforeEach(async () => {
  rig = await HttpRig.make({ requestsPerMinuteMax: REQUESTS, connectionsMax: CONNECTIONS })
})

afterEach(() => rig.stop())

function get(url: string, headers: Record<string, string> = {}) {
  return rig.app.inject({ method: 'GET', url, headers })
}

async function useUp(url: string, headers?: Record<string, string>): Promise<void> {
  for (let count = 0; count < REQUESTS; count += 1) {
    expect((await get(url, headers)).statusCode).not.toBe(429)
  }
}

test.each(['/healthz', '/api/v1/jobs', '/nothing'])(
  'an address that asks %s too often is told to wait, whatever it asks next',
  async (url) => {
    const token = await rig.bearer()
    await useUp(url, token)

    const refused = await Promise.all(['/healthz', '/api/v1/runs'].map((each) => get(each, token)))

    for (const reply of refused) {
      expect(reply.json()).toMatchObject({
        status: 429,
        code: 'RATE_LIMITED',
        facts: { max: REQUESTS, window: 'a minute' }
      })
      expect(reply.headers['retry-after']).toBeDefined()
    }
  }
)

test('a stranger who uses up the requests of an address does not silence its forge', async () => {
  await useUp('/healthz')
  expect((await get('/healthz')).statusCode).toBe(429)

  const reply = await rig.app.inject(signedPost())

  expect(reply.json()).toMatchObject({ verdict: 'accepted' })
})

test('a forge with many pushes is not limited, and does not use up anybody else', async () => {
  for (let count = 0; count < 3 * REQUESTS; count += 1) {
    expect((await rig.app.inject(signedPost())).statusCode).toBe(202)
  }

  expect((await get('/healthz')).statusCode).toBe(503)
})

test('what nobody vouches for is limited: a wrong signature, an unknown repository', async () => {
  const forged = signedPost(undefined, { secret: webhookSecret() })
  const unknown = signedPost(pushBody({ repository: 'team/unknown' }))
  for (let count = 0; count < AUTH_FAILURES_PER_MINUTE_MAX / 2; count += 1) {
    expect((await rig.app.inject(forged)).statusCode).toBe(401)
    expect((await rig.app.inject(unknown)).statusCode).toBe(202)
  }

  const refused = [await rig.app.inject(forged), await rig.app.inject(unknown)]

  for (const reply of refused) expect(reply.json()).toMatchObject({ code: 'RATE_LIMITED' })
  expect((await rig.app.inject(signedPost())).statusCode).toBe(202)
})

test('what nobody vouches for does not fill the log', async () => {
  const { log, lines } = keptLog()
  await rig.stop()
  rig = await HttpRig.make({ log })

  await rig.app.inject(signedPost(pushBody({ repository: 'team/unknown' })))
  await rig.app.inject(signedPost(undefined, { secret: webhookSecret() }))
  await rig.app.inject(signedPost(undefined, { id: 'known' }))

  const received = lines.filter(({ msg }) => msg === 'delivery received')
  expect(received.map(({ delivery }) => delivery)).toEqual(['known'])
  expect(lines.filter(({ msg }) => `${msg}`.startsWith('request'))).toEqual([])
})

test('who has gone before the answer counts like any other: that is no bug of ours', async () => {
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => {
    lines.push(JSON.parse(line) as Record<string, unknown>)
  }
  await rig.stop()
  const log = createLog({ name: 'test', level: 'debug', stream: { write } })
  rig = await HttpRig.make({ requestsPerMinuteMax: REQUESTS, log })
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = rig.app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')

  // Read together: the request, and that its sender has no address any more.
  socket.write('GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.resetAndDestroy()
  const answered = await eventually('it is answered', () =>
    lines.find(({ route }) => route === '/api/v1/jobs')
  )

  expect(answered).toMatchObject({ code: 'TOKEN_INVALID' })
})

test('the listener holds so many connections and drops the next at once', async () => {
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = rig.app.server.address() as AddressInfo
  const open = (): Socket => connect(port, '127.0.0.1')
  const held = Array.from({ length: CONNECTIONS }, open)
  // Both are served: the server has them, not only the kernel's queue.
  for (const socket of held) await statusLine(socket)

  const dropped = open().on('error', () => undefined)
  await new Promise((closed) => dropped.once('close', closed).resume())

  expect(dropped.bytesRead).toBe(0)
  held[0]?.destroy()
  const next = await firstServed(open)
  for (const socket of [...held, next]) socket.destroy()
})

/** The first line of the answer to a request for health. */
function statusLine(socket: Socket): Promise<string> {
  socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
  return new Promise((resolve, reject) => {
    socket.once('data', (data) => resolve(data.toString().split('\r\n')[0] ?? ''))
    socket.once('close', () => reject(new Error('closed')))
    socket.once('error', reject)
  })
}

/** A connection that is held, once the server has seen that another is gone. */
async function firstServed(open: () => Socket): Promise<Socket> {
  return await eventually('a place is free', async () => {
    const socket = open()
    const line = await statusLine(socket).catch(() => '')
    return line.startsWith('HTTP/1.1') && socket
  })
}
