import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import {
  type EgressLimits,
  type EgressPlace,
  EgressProxy
} from '../../agent/execute/egress/egress-proxy.ts'
import type { JobVoice } from '../../agent/execute/egress/journal.ts'
import { type AddressRange, rangeOf } from '../../protocol/core/address-range.ts'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import { eventually } from './eventually.ts'

/** Subnet of the bridge that the rig's proxies are on, and who asks them there. */
const SUBNET = '127.77.0.0/26'
const JOB = '127.77.0.2'

export interface RigWish {
  readonly policy: NetworkPolicy
  readonly limits?: Partial<EgressLimits>
  /** Addresses of names, or what is to be told of them; each call takes the next. */
  readonly names?: Readonly<Record<string, readonly (readonly string[])[]>>
  readonly own?: readonly string[]
  /** What the owner of the host has closed. */
  readonly denied?: readonly AddressRange[]
  readonly secret?: string
  readonly port?: number
  readonly nowMs?: () => number
  /** A job's own; absent is one that keeps `lines`. */
  readonly voice?: JobVoice
}

export const PUBLIC = '1.2.3.4'
/** Where the far end takes every byte, says nothing and never ends. */
export const MUTE_PORT = 444
/** Nobody listens there: what addresses in 1.1.1.0/24 lead to. */
const CLOSED_PORT = 1

const NAMES = {
  'a.example': [[PUBLIC]],
  'b.example': [['5.6.7.8']],
  'deep.a.example': [[PUBLIC]],
  'metadata.example': [['169.254.169.254']],
  'lan.example': [['10.9.9.9']],
  'loopback.example': [['127.0.0.1']],
  'host.example': [['9.8.7.6']],
  'denied.example': [['8.8.4.4']],
  'mixed.example': [[PUBLIC, '192.168.1.1']],
  'odd.example': [['::1']],
  'empty.example': [[]]
}
const ALLOW = [
  'a.example:80',
  'a.example:443',
  '*.a.example:443',
  ...['metadata', 'lan', 'loopback', 'host', 'denied', 'mixed', 'odd', 'empty', 'nowhere'].map(
    (name) => `${name}.example:1-65535`
  ),
  '1.2.3.4:8080',
  '10.9.9.9:443'
]

/** A list with names that lead to good places and bad ones, and one address of the host's own. */
export const EGRESS_WORLD = {
  policy: { allow: ALLOW },
  names: NAMES,
  own: ['9.8.7.6'],
  denied: [rangeOf('8.8.4.0/24')]
} satisfies RigWish

/** A plain request that ends its connection. */
export function getText(url: string, host: string, more = ''): string {
  return `GET ${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
}

/** A proxy over real sockets; its world is a web server, one that sends back, and a mute one. */
export class EgressRig {
  readonly asked: string[] = []
  readonly dialled: string[] = []
  readonly lines: string[] = []
  readonly requests: { head: string[]; body: string; method: string; url: string }[] = []
  /** What the web server answers; `hello` unless it is told otherwise. */
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.end('hello')
  proxy: EgressProxy
  place: EgressPlace = { address: '', port: 0 }
  readonly #sockets = new Set<Socket>()
  readonly #web = createServer((request, response) => this.#serve(request, response))
  readonly #echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
    this.#keep(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })

  readonly #mute = createTcpServer({ allowHalfOpen: true }, (socket) => {
    this.#keep(socket)
    socket.on('error', () => undefined)
    socket.resume()
  })

  private constructor({
    policy,
    limits = {},
    names = {},
    own = [],
    denied = [],
    secret,
    port = 0,
    ...more
  }: RigWish) {
    const calls = new Map<string, number>()
    this.proxy = new EgressProxy(
      {
        names: {
          resolve: async (name) => {
            this.asked.push(name)
            const call = calls.get(name) ?? 0
            calls.set(name, call + 1)
            const answers = names[name]
            if (answers === undefined) throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
            return answers[Math.min(call, answers.length - 1)] ?? []
          }
        },
        ownAddresses: () => new Set(own),
        denied,
        dial: (address, wanted) => {
          this.dialled.push(`${address}:${wanted}`)
          const server = wanted === 80 ? this.#web : wanted === MUTE_PORT ? this.#mute : this.#echo
          const there = (server.address() as AddressInfo).port
          const open = address.startsWith('1.1.1.') ? CLOSED_PORT : there
          return connect({ host: '127.0.0.1', port: open, allowHalfOpen: true })
        }
      },
      {
        policy,
        limits,
        port,
        ...(more.nowMs === undefined ? {} : { nowMs: more.nowMs }),
        voice: more.voice ?? {
          say: (text) => void this.lines.push(text),
          mask: (text) => (secret === undefined ? text : text.replaceAll(secret, '***'))
        }
      }
    )
  }

  static async open(wish: RigWish): Promise<EgressRig> {
    const rig = new EgressRig(wish)
    for (const server of [rig.#web, rig.#echo, rig.#mute]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    rig.place = await rig.proxy.listen(SUBNET)
    return rig
  }

  /** A connection to the proxy, as the job or another makes it. */
  async connect(from = JOB): Promise<Socket> {
    const { address: host, port } = this.place
    const socket = connect({ host, port, localAddress: from, allowHalfOpen: true })
    this.#keep(socket)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }

  /** All that the proxy answers to these bytes until it ends the connection. */
  async send(bytes: string, from = JOB): Promise<string> {
    const socket = await this.connect(from)
    const said = heard(socket)
    socket.write(bytes, 'latin1')
    await once(socket, 'close').catch(() => undefined)
    return said()
  }

  /** An open tunnel to this place, and what came through it. */
  async tunnel(to: string): Promise<{ socket: Socket; said: () => string }> {
    const socket = await this.connect()
    const said = heard(socket)
    socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`)
    await eventually('the proxy answers', () => said().includes('\r\n\r\n'))
    return { socket, said }
  }

  async close(): Promise<void> {
    this.proxy.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#web.closeAllConnections()
    this.#web.close()
    this.#echo.close()
    this.#mute.close()
    await Promise.all([this.#web, this.#echo, this.#mute].map((server) => once(server, 'close')))
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    let body = ''
    request.setEncoding('latin1')
    request.on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const { method = '', url = '', rawHeaders: head } = request
      this.requests.push({ method, url, head, body })
      this.answer(request, response)
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

/** A proxy in EGRESS_WORLD, but for these, until the test ends. */
export async function egressRig(wish: Partial<RigWish> = {}): Promise<EgressRig> {
  const rig = await EgressRig.open({ ...EGRESS_WORLD, ...wish })
  onTestFinished(async () => await rig.close())
  return rig
}

function heard(socket: Socket): () => string {
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (part: string) => {
    text += part
  })
  // The rig's own side is open at half: it ends when it has heard the end.
  socket.on('end', () => socket.end())
  return () => text
}
