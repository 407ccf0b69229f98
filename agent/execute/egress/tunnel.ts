import type { Socket } from 'node:net'
import { endIdle, type IdleLimits } from './idle.ts'
import { linger } from './linger.ts'

/** Bytes both ways until both have ended, one of them fails, or nothing comes any more. */
export function tunnel(client: Socket, upstream: Socket, head: Buffer, limits: IdleLimits): void {
  const both = [client, upstream] as const
  const end = (): void => {
    for (const stream of both) stream.destroy()
  }
  for (const stream of both) stream.on('error', end)
  // Closed without an end, the other one would wait for the time-out.
  client.once('close', () => leave(upstream, limits.halfOpenMs))
  upstream.once('close', () => leave(client, limits.halfOpenMs))
  if (head.length > 0) upstream.write(head)
  client.pipe(upstream)
  upstream.pipe(client)
  endIdle(both, limits)
}

/** Its last bytes may be on their way; whoever does not take them keeps nothing open. */
function leave(socket: Socket, ms: number): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), ms)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
  socket.destroySoon()
}

/** The whole of an answer to CONNECT that opens nothing. */
export function refuseTunnel(client: Socket, status: string, text: string): void {
  const body = `${text}\n`
  linger(
    client,
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}` +
      `\r\nConnection: close\r\n\r\n${body}`
  )
}
