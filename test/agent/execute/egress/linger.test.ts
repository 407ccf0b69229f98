import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { linger } from '../../../../agent/execute/egress/linger.ts'
import {
  EGRESS_LINGER_BYTES_MAX,
  EGRESS_LINGER_MS_MAX
} from '../../../../protocol/core/egress-limits.ts'
import { type EgressRig, egressRig, statusOf } from '../../../support/egress-rig.ts'
import { eventually } from '../../../support/eventually.ts'

const MALFORMED = 'NONSENSE\r\n\r\n'
const PART = Buffer.alloc(32_768, 'x')

/** Resolves with what the system says of it. */
function written(socket: Socket, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    socket.write(bytes, (error) => resolve(error?.message ?? 'written'))
  })
}

/** A client that looks for its answer only once it has written all: as most of them do. */
async function talk(rig: EgressRig, head: string): Promise<{ sent: string[]; answer: string }> {
  const socket = await rig.connect()
  let answer = ''
  const errors: string[] = []
  socket.on('error', ({ message }) => errors.push(message))
  socket.write(head)
  await eventually('the proxy has decided', () => rig.lines.length > 0)
  // Each in a packet of its own: the first one after a close is what is answered by a reset.
  const sent: string[] = []
  for (let part = 0; part < 8; part += 1) sent.push(await written(socket, PART))
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString('latin1')
  })
  socket.on('end', () => socket.end())
  if (!socket.destroyed) await once(socket, 'close').catch(() => undefined)
  return { sent: [...new Set([...sent, ...errors])], answer }
}

describe('a client that goes on writing still reads the whole answer', () => {
  test.each([
    ['to what is no HTTP', MALFORMED, 400, '\r\n\r\n'],
    ['to a tunnel that names nothing', 'CONNECT x HTTP/1.1\r\n\r\n', 400, 'and a port\n'],
    [
      'to a tunnel that is not allowed',
      'CONNECT b.example:443 HTTP/1.1\r\n\r\n',
      403,
      'it is not in the list\n'
    ],
    [
      'to a plain request that is not allowed',
      'POST http://b.example/ HTTP/1.1\r\nHost: b.example\r\nContent-Length: 9999999\r\n\r\n',
      403,
      'it is not in the list\n'
    ]
  ])('%s', async (_name, head, status, end) => {
    const { sent, answer } = await talk(await egressRig(), head)

    expect(sent).toEqual(['written'])
    expect(statusOf(answer)).toBe(status)
    expect(answer.endsWith(end)).toBe(true)
  })
})

test('whoever writes without an end is cut off', async () => {
  const rig = await egressRig()
  const socket = await rig.connect()
  socket.resume()
  socket.write(MALFORMED)
  const most = EGRESS_LINGER_BYTES_MAX + 16 * 1_048_576
  let bytes = 0
  while (bytes < most && (await written(socket, PART)) === 'written') bytes += PART.length

  expect(bytes).toBeLessThan(most)
})

test('whoever does not go has a place of the job, and no more than there are', async () => {
  const rig = await egressRig({ limits: { connections: 2 } })
  const stayers = [await rig.connect(), await rig.connect()]
  for (const socket of stayers) {
    socket.write(MALFORMED)
    socket.resume()
    await once(socket, 'end')
  }

  expect(await rig.send(MALFORMED)).toBe('')

  for (const socket of stayers) socket.end()
  await eventually('there is room', async () => statusOf(await rig.send(MALFORMED)) === 400)
})

test.each(['takes nothing', 'says nothing'])('whoever %s is gone after a while', async (what) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const isDeaf = what === 'takes nothing'
    const write = (_chunk: unknown, _encoding: unknown, done: () => void): void => {
      if (!isDeaf) done()
    }
    const socket = new Duplex({ read: () => undefined, write }) as Duplex as Socket
    linger(socket, 'last words')

    vi.advanceTimersByTime(EGRESS_LINGER_MS_MAX - 1)
    expect(socket.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(socket.destroyed).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})
