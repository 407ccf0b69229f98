import { type IncomingMessage, type ServerResponse, request as send } from 'node:http'
import type { Socket } from 'node:net'
import { EGRESS_HEAD_BYTES_MAX } from '../../../protocol/core/egress-limits.ts'
import { endToEnd, type Framing, framingOf } from './heads.ts'
import { endIdle, type IdleLimits } from './idle.ts'

export interface Forwarded {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly framing: Framing
  /** As the far end is to see it. */
  readonly host: string
  readonly path: string
  readonly upstream: Socket
}

/** Methods whose requests have no body unless they say so; of all others an empty one is said. */
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/**
 * One request on a connection of its own, written anew: of what the job sent only the method, the
 * path, fields for the far end and the bytes of the body are left. The answer comes back likewise.
 */
export function forward(parts: Forwarded, limits: IdleLimits): void {
  const { request, response, framing, host, path, upstream } = parts
  const end = (): void => {
    upstream.destroy()
    request.socket.destroy()
  }
  const isEmpty = framing.length === 0 && !WITHOUT_BODY.has(request.method ?? '')
  const frame = isEmpty ? ['content-length', '0'] : framing
  const outgoing = send({
    createConnection: () => upstream,
    method: request.method,
    path,
    headers: ['host', host, ...endToEnd(request.rawHeaders), ...frame, 'connection', 'close'],
    setHost: false,
    maxHeaderSize: EGRESS_HEAD_BYTES_MAX
  })
  const stop = endIdle([request.socket, upstream], limits)
  // The connection to the job goes on after this answer.
  response.once('close', stop)
  response.once('close', () => upstream.destroy())
  const onNothing = (): void => {
    if (response.headersSent) end()
    else refuse(response, 502, 'the host answered nothing that is HTTP')
  }
  outgoing.once('error', onNothing)
  // It may end without an error, as after an answer that would take the connection over.
  outgoing.once('close', () => {
    if (!response.headersSent) onNothing()
  })
  outgoing.once('response', (answer) => {
    answer.once('error', end)
    try {
      passBack(answer, response)
    } catch {
      // Its head has characters that no answer may have.
      end()
    }
  })
  request.pipe(outgoing)
}

function passBack(answer: IncomingMessage, response: ServerResponse): void {
  const framing = framingOf(answer.rawHeaders)
  if (framing === undefined) {
    answer.destroy()
    refuse(response, 502, 'the host answered with two lengths')
    return
  }
  // Chunks are made anew, and only where the job's program knows them.
  const length = framing[0] === 'content-length' ? framing : []
  response.sendDate = false
  const head = [...endToEnd(answer.rawHeaders), ...length]
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, head)
  answer.pipe(response)
}

/** An answer of the proxy's own. */
export function refuse(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`
  const length = Buffer.byteLength(body)
  // The rest of a body that nobody reads would be taken for the next request.
  const head = { 'content-type': 'text/plain', 'content-length': length, connection: 'close' }
  response.writeHead(status, head).end(body)
}
