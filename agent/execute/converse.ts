import type { ExecRequest } from './engine-types.ts'

/** Milliseconds after which a reader that rests looks whether there is still anybody who writes. */
const REST_MS_MAX = 100

export interface Converse {
  readonly request: Pick<ExecRequest, 'signal' | 'stdin' | 'restMs' | 'hasEnded'>
  /** Whether the process still runs; asked while its reader rests. */
  readonly runs: () => Promise<boolean>
  readonly onChunk: (chunk: Uint8Array) => void
}

/**
 * Feeds the process and reads it until the engine closes the stream. Whatever ends it, what has
 * come by then is read.
 */
export async function converse(
  stream: NodeJS.ReadWriteStream,
  { request, runs, onChunk }: Converse
): Promise<void> {
  const socket = stream as NodeJS.ReadWriteStream & { destroy(): void }
  const { signal, stdin } = request
  let resting: NodeJS.Timeout | undefined
  let isOver = false
  const rest = async (ms: number): Promise<void> => {
    isOver ||= request.hasEnded?.() === true || !(await runs())
    if (isOver || ms <= 0) socket.resume()
    else resting = setTimeout(() => void rest(ms - REST_MS_MAX), Math.min(ms, REST_MS_MAX))
  }
  const read = (chunk: Uint8Array): void => {
    onChunk(chunk)
    const ms = request.restMs?.() ?? 0
    if (ms === 0 || isOver) return
    socket.pause()
    void rest(ms)
  }
  // A paused reader keeps what it has, and would lose it with its stream.
  const drain = (): void => {
    socket.off('data', read)
    isOver = true
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
      onChunk(chunk as unknown as Uint8Array)
    }
  }
  const onAbort = (): void => {
    drain()
    socket.destroy()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await new Promise<void>((resolve) => {
      socket.on('data', read)
      socket.once('end', resolve)
      socket.once('close', resolve)
      // A reset is an end like any other: what became of the process is asked for afterwards.
      socket.once('error', () => {
        drain()
        resolve()
      })
      if (stdin !== undefined) stdin.pipe(socket)
      if (signal?.aborted === true) onAbort()
    })
  } finally {
    isOver = true
    clearTimeout(resting)
    signal?.removeEventListener('abort', onAbort)
  }
  signal?.throwIfAborted()
}
