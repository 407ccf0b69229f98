import type { Socket } from 'node:net'
import {
  EGRESS_LINGER_BYTES_MAX,
  EGRESS_LINGER_MS_MAX
} from '../../../protocol/core/egress-limits.ts'

/**
 * Says the last of an answer and waits for the client to go, for EGRESS_LINGER_MS_MAX and
 * EGRESS_LINGER_BYTES_MAX at most. Closed with bytes on their way, the system would send a reset,
 * and the client would see that in place of its answer. Until it is closed it is one of the job's
 * connections. The socket must have `allowHalfOpen`, and nobody else may read it any more.
 */
export function linger(socket: Socket, lastWords = ''): void {
  const timer = setTimeout(() => socket.destroy(), EGRESS_LINGER_MS_MAX)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => socket.destroy())
  let left = EGRESS_LINGER_BYTES_MAX
  socket.on('data', ({ length }: Buffer) => {
    left -= length
    if (left < 0) socket.destroy()
  })
  // Where its end was said before, more words would be an error that destroys it.
  if (socket.writable) socket.end(lastWords)
  socket.resume()
}
