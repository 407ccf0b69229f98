import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, request, Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'

/** What becomes of a call; undefined lets it through. */
export type Treatment =
  | { readonly kind: 'silence' }
  /** The connection ends before an answer, as when the engine is stopped. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'answer'; readonly status: number; readonly message: string }
  /** Lets it through once the promise resolves. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /** Changes the JSON that comes back. */
  | { readonly kind: 'change'; readonly change: (document: never) => unknown }

/** The call, as `GET /containers/json`, without version and query. */
export type Treat = (call: string) => Treatment | undefined

/** A socket in front of the real engine that treats some calls as a broken one would. */
export class EngineProxy {
  readonly socket: string
  treat: Treat = () => undefined
  readonly calls: string[] = []
  readonly #dir: string
  readonly #behind: string
  readonly #server = new Server()
  readonly #sockets = new Set<Duplex>()

  private constructor(dir: string, behind: string) {
    this.#dir = dir
    this.#behind = behind
    this.socket = join(dir, 'engine.sock')
    this.#server.on('connection', (socket) => this.#sockets.add(socket))
    this.#server.on('request', (incoming, outgoing) => void this.#onRequest(incoming, outgoing))
    this.#server.on('upgrade', (incoming, socket, head) => this.#onUpgrade(incoming, socket, head))
  }

  static async open(behind: string): Promise<EngineProxy> {
    const proxy = new EngineProxy(await mkdtemp(join(tmpdir(), 'runner-mesh-proxy-')), behind)
    await new Promise<void>((resolve) => proxy.#server.listen(proxy.socket, resolve))
    return proxy
  }

  /** Ends every connection, as an engine does that is stopped. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
    await rm(this.#dir, { recursive: true, force: true })
  }

  async #onRequest(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const call = callOf(incoming)
    this.calls.push(call)
    const treatment = this.treat(call)
    if (treatment?.kind === 'silence') return
    if (treatment?.kind === 'cut') {
      incoming.socket.destroy()
      return
    }
    if (treatment?.kind === 'answer') {
      outgoing.writeHead(treatment.status, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify({ message: treatment.message }))
      return
    }
    if (treatment?.kind === 'hold') await treatment.until
    const { method, url: path, headers } = incoming
    const onward = request({ socketPath: this.#behind, method, path, headers }, (answer) => {
      if (treatment?.kind === 'change') return void changed(answer, outgoing, treatment.change)
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      outgoing.flushHeaders()
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }

  /** The start of an exec: both sides then talk as they like. */
  #onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.calls.push(callOf(incoming))
    const { method, url: path, headers } = incoming
    const onward = request({ socketPath: this.#behind, method, path, headers })
    onward.on('upgrade', (answer, behind, first) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`)
      socket.write(`HTTP/1.1 101 UPGRADED\r\n${lines.join('\r\n')}\r\n\r\n`)
      socket.write(first)
      behind.pipe(socket).pipe(behind)
      socket.on('error', () => behind.destroy())
      behind.on('error', () => socket.destroy())
      socket.on('close', () => behind.destroy())
    })
    onward.on('response', () => socket.destroy())
    onward.on('error', () => socket.destroy())
    // What the client says first belongs to the request, not to the conversation.
    let body = head
    const take = (chunk: Buffer): void => {
      body = Buffer.concat([body, chunk])
      if (body.length < Number(headers['content-length'] ?? 0)) return
      socket.off('data', take)
      onward.end(body)
    }
    socket.on('data', take)
    take(Buffer.alloc(0))
  }
}

function callOf({ method, url }: IncomingMessage): string {
  return `${method} ${url?.replace(/^\/v[\d.]+/, '').replace(/\?.*$/, '')}`
}

async function changed(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  change: (document: never) => unknown
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk)
  const document = JSON.parse(Buffer.concat(chunks).toString('utf8')) as never
  outgoing.writeHead(answer.statusCode ?? 500, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify(change(document)))
}
