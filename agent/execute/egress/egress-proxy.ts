import { once } from 'node:events'
import {
  createServer as createParser,
  type IncomingMessage,
  type Server as Parser,
  type ServerResponse
} from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { formatAddress, parseAddress, rangeOf } from '../../../protocol/core/address-range.ts'
import {
  EGRESS_CONNECT_MS_MAX,
  EGRESS_CONNECTIONS_MAX,
  EGRESS_HALF_OPEN_MS_MAX,
  EGRESS_HEAD_BYTES_MAX,
  EGRESS_HEAD_MS_MAX,
  EGRESS_IDLE_MS_MAX,
  EGRESS_KEEP_ALIVE_MS_MAX,
  EGRESS_NEW_CONNECTIONS_MAX,
  EGRESS_PORT
} from '../../../protocol/core/egress-limits.ts'
import type { NetworkPolicy } from '../../../protocol/core/network.ts'
import { type Dial, type Dialled, dialFirst } from './dial.ts'
import { forward, refuse } from './forward.ts'
import { Gate, type GateParts } from './gate.ts'
import { framingOf } from './heads.ts'
import { type JobVoice, Journal } from './journal.ts'
import { Rate } from './rate.ts'
import { SlicedSocket } from './sliced-socket.ts'
import { type ReadTarget, readRequest, readTunnel, type Target } from './target.ts'
import { refuseTunnel, tunnel } from './tunnel.ts'

export interface EgressParts extends GateParts {
  readonly dial: Dial
}

/** Milliseconds, and how many connections. */
export interface EgressLimits {
  readonly connections: number
  /** In a second. */
  readonly newConnections: number
  readonly headMs: number
  readonly connectMs: number
  readonly idleMs: number
  readonly halfOpenMs: number
}

const LIMITS: EgressLimits = {
  connections: EGRESS_CONNECTIONS_MAX,
  newConnections: EGRESS_NEW_CONNECTIONS_MAX,
  headMs: EGRESS_HEAD_MS_MAX,
  connectMs: EGRESS_CONNECT_MS_MAX,
  idleMs: EGRESS_IDLE_MS_MAX,
  halfOpenMs: EGRESS_HALF_OPEN_MS_MAX
}

export interface EgressOptions {
  readonly policy: NetworkPolicy
  readonly voice: JobVoice
  readonly limits?: Partial<EgressLimits>
  /** EGRESS_PORT where absent. */
  readonly port?: number
  /** A clock that never goes back; the process's own where absent. */
  readonly nowMs?: () => number
}

/** Where a proxy listens. */
export interface EgressPlace {
  readonly address: string
  readonly port: number
}

type Judged =
  | ({ readonly kind: 'open' } & Dialled)
  | { readonly kind: 'refused'; readonly status: Status; readonly text: string }

const REASONS = {
  400: 'Bad Request',
  403: 'Forbidden',
  502: 'Bad Gateway',
  503: 'Service Unavailable'
} as const

type Status = keyof typeof REASONS

/**
 * The proxy of one job: it listens on the host's own address on the job's bridge, answers nobody
 * but that bridge, and opens what the job's policy says by names of hosts. Where it is not there,
 * nothing is open.
 */
export class EgressProxy {
  readonly #dial: Dial
  readonly #gate: Gate
  readonly #options: EgressOptions
  readonly #limits: EgressLimits
  readonly #journal: Journal
  readonly #rate: Rate
  readonly #sockets = new Set<Duplex>()
  /** Connections to the world, those that are still looked for too. */
  #open = 0
  #server: Server | undefined
  #isClosed = false

  constructor({ dial, ...gate }: EgressParts, options: EgressOptions) {
    this.#dial = dial
    this.#gate = new Gate(gate, options.policy)
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#rate = new Rate(this.#limits.newConnections, options.nowMs ?? (() => performance.now()))
    this.#journal = new Journal(options.voice, { isAudit: options.policy === 'audit' })
  }

  /** On the first address of the subnet of the job's bridge. Rejects where that cannot be had. */
  async listen(subnet: string, isResumed = false): Promise<EgressPlace> {
    const place = placeIn(subnet)
    const server = this.#serve(subnet, place)
    this.#server = server
    server.listen(this.#options.port ?? EGRESS_PORT, place)
    await once(server, 'listening')
    if (isResumed) this.#journal.resumed()
    // Nothing of a job keeps a process that ends.
    server.unref()
    server.on('error', () => this.#end())
    return { address: place, port: (server.address() as AddressInfo).port }
  }

  /** Ends every connection, and says what there was. May be called again. */
  close(): void {
    this.#end()
    // Of a job that never had it there is nothing to say.
    if (this.#server !== undefined && !this.#isClosed) this.#journal.close()
    this.#isClosed = true
  }

  #end(): void {
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(subnet: string, place: string): Server {
    const parser = this.#parser()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (!this.#admit(socket, subnet, place)) return
      parser.emit('connection', new SlicedSocket(socket, this.#limits.headMs))
    })
    server.maxConnections = this.#limits.connections
    return server
  }

  /** It listens nowhere: connections are handed to it once they are admitted. */
  #parser(): Parser {
    const parser = createParser({
      maxHeaderSize: EGRESS_HEAD_BYTES_MAX,
      // Heads have their time where they are sliced. A body may take as long as the job; where
      // none comes, its connection ends as idle.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: EGRESS_KEEP_ALIVE_MS_MAX,
      insecureHTTPParser: false,
      // CONNECT of some programs has none; where there is one it has to agree.
      requireHostHeader: false
    })
    parser.on('connect', (request: IncomingMessage, sliced: SlicedSocket, unused: Buffer) => {
      if (!this.#begin(request, sliced)) return
      const { raw, head } = sliced.release(unused)
      // Whatever goes wrong here must end one connection, and not the agent.
      this.#onConnect(request, raw, head).catch(() => raw.destroy())
    })
    parser.on('request', (request, response) => {
      const sliced = request.socket as Duplex as SlicedSocket
      if (!this.#begin(request, sliced)) return
      response.once('close', () => sliced.answered())
      this.#onRequest(request, response).catch(() => sliced.destroy())
    })
    parser.on('clientError', (error, socket) => {
      this.#onMalformed(error, socket as Duplex as SlicedSocket)
    })
    return parser
  }

  /** Other containers, and whoever routes to this host, may find the address as well. */
  #admit(socket: Socket, subnet: string, place: string): boolean {
    const address = parseAddress(socket.remoteAddress ?? '') ?? Number.NaN
    const { first, last } = rangeOf(subnet)
    const isOfJob = first <= address && address <= last && socket.remoteAddress !== place
    // Whoever is not of the job does not use up what the job may open.
    if (!isOfJob || this.#isClosed || !this.#hasRoom()) {
      socket.destroy()
      return false
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    return true
  }

  #hasRoom(): boolean {
    if (this.#rate.take()) return true
    const reason = `more than ${this.#limits.newConnections} came in one second`
    this.#journal.malformed('a connection', reason)
    return false
  }

  /** Answers are not owed for more than one request of a connection. */
  #begin(request: IncomingMessage, sliced: SlicedSocket): boolean {
    if (sliced.begin(request)) return true
    this.#journal.malformed('a request', 'it came before the one ahead of it was answered')
    return false
  }

  async #onConnect(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy())
    const judged = await this.#judge(request, client, readTunnel(request))
    if (judged.kind === 'refused') {
      refuseTunnel(client, `${judged.status} ${REASONS[judged.status]}`, judged.text)
      return
    }
    if (client.destroyed) {
      judged.socket.destroy()
      return
    }
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    tunnel(client, judged.socket, head, this.#limits)
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => request.socket.destroy())
    response.on('error', () => request.socket.destroy())
    const framing = framingOf(request.rawHeaders)
    const read = readRequest(request)
    const checked: ReadTarget =
      framing === undefined ? { kind: 'problem', text: 'its body has two lengths' } : read
    const judged = await this.#judge(request, request.socket, checked)
    if (judged.kind === 'refused') {
      refuse(response, judged.status, judged.text)
      return
    }
    if (checked.kind !== 'target' || framing === undefined || response.destroyed) {
      judged.socket.destroy()
      return
    }
    const { target, path } = checked
    const host = target.port === 80 ? target.host : `${target.host}:${target.port}`
    try {
      const parts = { request, response, framing, host, path, upstream: judged.socket }
      forward(parts, this.#limits)
    } catch {
      judged.socket.destroy()
      refuse(response, 502, 'the request has characters that no request may have')
    }
  }

  /** Every decision is made and told here. */
  async #judge(request: IncomingMessage, client: Duplex, read: ReadTarget): Promise<Judged> {
    if (read.kind === 'problem') {
      this.#journal.malformed(`${request.method} ${request.url}`, read.text)
      return { kind: 'refused', status: 400, text: `runner-mesh: ${read.text}` }
    }
    const { target } = read
    if (this.#open >= this.#limits.connections) {
      return this.#refused(target, 503, `the job has ${this.#open} connections already`)
    }
    this.#open += 1
    const closed = (): void => {
      this.#open -= 1
    }
    const gone = new AbortController()
    const onGone = (): void => gone.abort()
    client.once('close', onGone)
    try {
      const verdict = await this.#gate.judge(target)
      if (verdict.kind === 'refused') {
        closed()
        return this.#refused(target, 403, verdict.reason)
      }
      const limits = { connectMs: this.#limits.connectMs, signal: gone.signal }
      const dialled = await dialFirst(this.#dial, verdict.addresses, target.port, limits)
      this.#sockets.add(dialled.socket)
      dialled.socket.on('error', () => dialled.socket.destroy())
      dialled.socket.once('close', () => {
        closed()
        this.#sockets.delete(dialled.socket)
      })
      this.#journal.allowed(target, dialled.address)
      return { kind: 'open', ...dialled }
    } catch (error) {
      closed()
      return this.#refused(target, 502, `it cannot be reached (${(error as Error).message})`)
    } finally {
      client.off('close', onGone)
    }
  }

  #refused(target: Target, status: Status, reason: string): Judged {
    this.#journal.refused(target, reason)
    return {
      kind: 'refused',
      status,
      text: `runner-mesh: ${target.host}:${target.port}: ${reason}`
    }
  }

  #onMalformed(error: Error, sliced: SlicedSocket): void {
    const { code = '' } = error as { code?: string }
    if (code.startsWith('HPE_')) this.#journal.malformed('a request', `it is no HTTP (${code})`)
    sliced.leave('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
  }
}

/** The engine gives the host the first address of a bridge's subnet. */
function placeIn(subnet: string): string {
  return formatAddress(rangeOf(subnet).first + 1)
}
