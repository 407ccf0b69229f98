import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EGRESS_SLICE_BYTES_MAX } from '../../../../protocol/core/egress-limits.ts'
import { type EgressRig, egressRig } from '../../../support/egress-rig.ts'
import { eventually } from '../../../support/eventually.ts'

const SHORT = 'GET / HTTP/1.1\r\n\r\n'
const FLOOD = SHORT.repeat(20_000)
const GOOD = 'GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n'
const CONNECT = 'CONNECT a.example:443 HTTP/1.1\r\n\r\n'
const CONNECTIONS = 40
const MIB = 1_048_576

interface Caller {
  readonly said: () => string
  readonly socket: Socket
}

async function call(rig: EgressRig, bytes: string): Promise<Caller> {
  const socket = await rig.connect()
  let text = ''
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1')
  })
  socket.on('end', () => socket.end())
  socket.write(bytes, 'latin1')
  return { said: () => text, socket }
}

function statuses(answer: string): string[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1] ?? '')
}

/** How many requests the proxy decided on. */
function decided(rig: EgressRig): { allowed: number; refused: number } {
  rig.proxy.close()
  const [, allowed, refused] = /(\d+) connections allowed, (\d+)/.exec(rig.lines.at(-1) ?? '') ?? []
  return { allowed: Number(allowed), refused: Number(refused) }
}

test('requests by the thousand behind one that is held are not parsed, and others go on', async () => {
  const rig = await egressRig()
  const held: (() => void)[] = []
  rig.answer = (_request, response) => void held.push(() => response.end('hello'))
  const callers: Caller[] = []
  for (let at = 0; at < CONNECTIONS; at += 1) callers.push(await call(rig, GOOD + FLOOD))
  await eventually('all are held', () => held.length === CONNECTIONS)

  const bytes = randomBytes(MIB).toString('latin1')
  const { said } = await call(rig, CONNECT + bytes)
  await eventually('all of it comes back', () => said().length >= MIB)
  expect(said().endsWith(`\r\n\r\n${bytes}`)).toBe(true)

  for (const answer of held) answer()
  await eventually('all are ended', () => callers.every(({ socket }) => socket.destroyed))
  // The held one, and the next, which is refused and ends its connection.
  for (const caller of callers) expect(statuses(caller.said())).toEqual(['200', '400'])
  expect(decided(rig)).toEqual({ allowed: CONNECTIONS + 1, refused: CONNECTIONS })
}, 60_000)

test('requests that are parsed with the end of a body end their connection unanswered', async () => {
  const rig = await egressRig()
  rig.answer = () => undefined
  const head = 'POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx'
  const callers: Caller[] = []
  for (let at = 0; at < CONNECTIONS; at += 1) callers.push(await call(rig, head + FLOOD))
  await eventually('all are ended', () => callers.every(({ socket }) => socket.destroyed))

  expect(callers.map((caller) => caller.said()).join('')).toBe('')
  const inSlice = Math.ceil(EGRESS_SLICE_BYTES_MAX / SHORT.length)
  expect(decided(rig).refused).toBeLessThanOrEqual(CONNECTIONS * (inSlice + 1))
}, 60_000)

test('nonsense by the thousand gets one answer', async () => {
  const rig = await egressRig()
  const { socket, said } = await call(rig, 'NONSENSE\r\n\r\n'.repeat(20_000))
  await once(socket, 'close')
  expect(statuses(said())).toEqual(['400'])
  expect(decided(rig).refused).toBe(1)
})

test('wherever a client cuts them, requests are answered in turn and a tunnel loses no byte', async () => {
  const rig = await egressRig()
  const whole = `${GOOD}${GOOD}\r\n${CONNECT}`
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: whole.length - 1 }), { maxLength: 6 })
  const property = fc.asyncProperty(cuts, async (at) => {
    const places = [...at.sort((a, b) => a - b), undefined]
    const { socket, said } = await call(rig, '')
    let from = 0
    for (const to of places) {
      const part = to === undefined ? `${whole.slice(from)}at once` : whole.slice(from, to)
      await new Promise((resolve) => socket.write(part, 'latin1', resolve))
      await new Promise((resolve) => setImmediate(resolve))
      from = to ?? from
    }
    await eventually('the tunnel answers', () => said().endsWith('at once'))
    expect(statuses(said())).toEqual(['200', '200', '200'])
    socket.destroy()
  })
  // Inside the empty line of the first one, with all of the second one behind it.
  const examples: [number[]][] = [1, 2, 3].map((back) => [[GOOD.length - back]])
  await fc.assert(property, { numRuns: 40, examples })
}, 60_000)

test('a long body of a plain request and its answer come whole', async () => {
  const rig = await egressRig()
  const body = randomBytes(MIB).toString('latin1')
  rig.answer = (_request, response) => void response.end(Buffer.from(body, 'latin1'))
  const head = 'POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n'
  const { socket, said } = await call(rig, `${head}Content-Length: ${MIB}\r\n\r\n${body}`)
  await once(socket, 'close')
  expect(rig.requests.map((request) => request.body === body)).toEqual([true])
  expect(said().includes(body)).toBe(true)
}, 60_000)
