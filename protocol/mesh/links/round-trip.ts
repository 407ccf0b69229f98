import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Connection, Stream } from '@libp2p/interface'
import type { Clock } from '../../core/ports.ts'

/** libp2p's ping: the other side sends back what it gets. */
export const PING_PROTOCOL = '/ipfs/ping/1.0.0'
const PING_BYTES = 32

/**
 * Milliseconds of the faster of two echoes over this very connection; the first also pays for
 * opening the stream. Rejects when they do not come within `limitMs` or the connection ends.
 */
export async function roundTrip(
  connection: Connection,
  clock: Clock,
  limitMs: number
): Promise<number> {
  const late = new AbortController()
  const disarm = clock.arm(limitMs, () => late.abort(new Error(`no echo within ${limitMs} ms`)))
  try {
    const stream = await connection.newStream([PING_PROTOCOL], { signal: late.signal })
    try {
      const firstMs = await echo(stream, late.signal)
      return Math.min(firstMs, await echo(stream, late.signal))
    } finally {
      // One stream a ping: the other side ends one that stays longer than a ping may take.
      stream.abort(new Error('ping is over'))
    }
  } finally {
    disarm()
  }
}

function echo(stream: Stream, signal: AbortSignal): Promise<number> {
  const waiting = new AbortController()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const sent = randomBytes(PING_BYTES)
  let received = Buffer.alloc(0)
  const options = { signal: waiting.signal }
  stream.addEventListener(
    'message',
    (event) => {
      received = Buffer.concat([received, event.data.subarray()])
      if (received.length < PING_BYTES) return
      if (received.equals(sent)) resolve(performance.now() - startMs)
      else reject(new Error('wrong echo'))
    },
    options
  )
  stream.addEventListener('close', () => reject(new Error('no echo: stream closed')), options)
  signal.addEventListener('abort', () => reject(signal.reason), options)
  // The process's own clock: the lease clock counts in steps of 10 ms.
  const startMs = performance.now()
  try {
    stream.send(sent)
  } catch (error) {
    // Thrown on, it would leave `promise` to nobody: its rejection, by the close that follows, would
    // end the whole process.
    reject(error)
  }
  return promise.finally(() => waiting.abort())
}
