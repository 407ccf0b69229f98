import { connect, type Socket } from 'node:net'

/** Opens a connection to an address that was checked; never to a name. */
export type Dial = (address: string, port: number) => Socket

export function systemDial(address: string, port: number): Socket {
  return connect({ host: address, port, allowHalfOpen: true })
}

export interface Dialled {
  readonly socket: Socket
  readonly address: string
}

/** The first of these addresses that answers. Rejects with what the last one said. */
export async function dialFirst(
  dial: Dial,
  addresses: readonly string[],
  port: number,
  limits: { readonly connectMs: number; readonly signal: AbortSignal }
): Promise<Dialled> {
  let failure = new Error('no address')
  for (const address of addresses) {
    limits.signal.throwIfAborted()
    try {
      return { socket: await opened(dial(address, port), limits), address }
    } catch (error) {
      failure = error as Error
    }
  }
  throw failure
}

async function opened(
  socket: Socket,
  { connectMs, signal }: { readonly connectMs: number; readonly signal: AbortSignal }
): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const onAbort = (): void => void socket.destroy(new Error('nobody waits for it'))
    const onSlow = (): void => void socket.destroy(new Error('it does not answer'))
    const timer = setTimeout(onSlow, connectMs)
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    signal.addEventListener('abort', onAbort)
    socket.once('error', (error) => {
      done()
      reject(error)
    })
    socket.once('connect', () => {
      done()
      resolve(socket)
    })
  })
}
