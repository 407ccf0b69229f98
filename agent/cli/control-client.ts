import { type IncomingMessage, request } from 'node:http'
import type { z } from 'zod'
import {
  causeOf,
  codeOf,
  type ErrorCode,
  MESH_ERRORS,
  MeshError
} from '../../protocol/core/errors.ts'
import { checkSocketPath } from '../../protocol/host/paths.ts'

/** A local answer comes at once, or the daemon hangs. */
const CONTROL_MS_MAX = 15_000

/** Bytes of one answer: a page of jobs or of a log. */
const ANSWER_BYTES_MAX = 67_108_864

/** Speaks to the daemon on its Unix socket; errors come back with their own code. */
export class ControlClient {
  readonly #socket: string
  readonly #waitMs: number

  constructor(socket: string, waitMs = CONTROL_MS_MAX) {
    this.#socket = socket
    this.#waitMs = waitMs
  }

  async get<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> {
    return schema.parse(JSON.parse(await this.#send('GET', path, undefined)))
  }

  async post<S extends z.ZodType>(path: string, body: unknown, schema: S): Promise<z.output<S>> {
    return schema.parse(JSON.parse(await this.#send('POST', path, JSON.stringify(body))))
  }

  /** The pieces of an answer without an end of its own; `signal` ends it, without an error. */
  async *stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): AsyncGenerator<string, void> {
    const reply = await this.#open(path, headers, signal)
    reply.setEncoding('utf8')
    if ((reply.statusCode ?? 500) >= 400) {
      let text = ''
      for await (const part of reply) text += String(part).slice(0, ANSWER_BYTES_MAX)
      throw problemOf(text, reply.statusCode ?? 500)
    }
    for await (const part of reply) yield String(part)
  }

  #open(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      checkSocketPath(this.#socket)
      const call = request({ socketPath: this.#socket, path, headers, signal }, resolve)
      call.on('error', (error) => reject(this.#refused(error)))
      call.end()
    })
  }

  /** True when a daemon answers here. */
  async answers(): Promise<boolean> {
    try {
      await this.#send('GET', '/v1/health', undefined)
      return true
    } catch (error) {
      const code = codeOf(error)
      if (code === 'CONTROL_SOCKET_ABSENT' || code === 'SOCKET_PATH_TOO_LONG') return false
      throw error
    }
  }

  #send(method: string, path: string, body: string | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      checkSocketPath(this.#socket)
      const call = request(
        {
          socketPath: this.#socket,
          method,
          path,
          timeout: this.#waitMs,
          headers: body === undefined ? {} : { 'content-type': 'application/json' }
        },
        (reply) => {
          let text = ''
          reply.setEncoding('utf8')
          reply.on('data', (part: string) => {
            text += part
            if (text.length > ANSWER_BYTES_MAX) call.destroy(new Error('the answer is too long'))
          })
          reply.on('error', reject)
          reply.on('end', () => {
            if ((reply.statusCode ?? 500) < 400) resolve(text)
            else reject(problemOf(text, reply.statusCode ?? 500))
          })
        }
      )
      call.on('timeout', () => call.destroy(this.#silent()))
      call.on('error', (error) => reject(this.#refused(error)))
      call.end(body)
    })
  }

  #silent(): MeshError {
    return new MeshError('CONTROL_SILENT', { socket: this.#socket, waitedMs: this.#waitMs })
  }

  #refused(error: Error): MeshError {
    if (error instanceof MeshError) return error
    const socket = this.#socket
    const code = 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') {
      return new MeshError('CONTROL_SOCKET_ABSENT', { socket, fix: 'run `agent start`' })
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const user = process.geteuid?.() ?? 'this one'
      return new MeshError('CONTROL_FORBIDDEN', { socket, user }, { cause: error })
    }
    return new MeshError('BUG', { problem: `${socket}: ${causeOf(error)}` }, { cause: error })
  }
}

/** The daemon's problem+json as the error it was there. */
function problemOf(text: string, status: number): MeshError {
  try {
    const problem = JSON.parse(text) as { code?: string; facts?: Record<string, never> }
    const code = problem.code ?? ''
    if (code in MESH_ERRORS) return new MeshError(code as ErrorCode, problem.facts ?? {})
  } catch {
    // Not JSON: the text itself is the best description there is.
  }
  return new MeshError('BUG', { problem: `the agent answered ${status}: ${text.slice(0, 200)}` })
}
