import type { Socket } from 'node:net'
import { asHttpError, malformed } from '../../protocol/api/http-error.ts'
import { PROBLEM_TYPE, problemOf } from '../../protocol/api/problem.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import {
  DELIVERY_BYTES_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_REQUEST_MS_MAX
} from '../../protocol/core/limits.ts'

/** Answers what never became a request: broken, too slow, or with headers that do not end. */
export function refuseSocket(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const problem = problemOf(socketError(error), 'stranger')
  const body = JSON.stringify(problem)
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${problem.status} ${problem.title}\r\n` +
        `content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
        `connection: close\r\n\r\n${body}`
    )
  }
  socket.destroy(error)
}

function socketError(error: NodeJS.ErrnoException): MeshError {
  const { code } = error
  const options = { cause: error }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new MeshError('REQUEST_SLOW', { maxMs: HTTP_REQUEST_MS_MAX }, options)
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new MeshError('HEADERS_TOO_LARGE', { max: HTTP_HEADER_BYTES_MAX }, options)
  }
  if (code?.startsWith('HPE_') === true) return malformed(options)
  return asHttpError(error, { contentType: undefined, bodyBytesMax: DELIVERY_BYTES_MAX })
}
