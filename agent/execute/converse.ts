import type { ExecRequest } from './engine-types.ts'

/** Feeds the process and reads it until the engine closes the stream. */
export async function converse(
  stream: NodeJS.ReadWriteStream,
  request: ExecRequest,
  onChunk: (chunk: Uint8Array) => void
): Promise<void> {
  const socket = stream as NodeJS.ReadWriteStream & { destroy(): void }
  const { signal, stdin } = request
  const onAbort = (): void => socket.destroy()
  let resting: NodeJS.Timeout | undefined
  const read = (chunk: Uint8Array): void => {
    onChunk(chunk)
    const ms = request.restMs?.() ?? 0
    if (ms === 0) return
    socket.pause()
    resting = setTimeout(() => socket.resume(), ms)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await new Promise<void>((resolve) => {
      socket.on('data', read)
      socket.once('end', resolve)
      socket.once('close', resolve)
      // A reset is an end like any other: what became of the process is asked for afterwards.
      socket.once('error', () => resolve())
      if (stdin !== undefined) stdin.pipe(socket)
      if (signal?.aborted === true) onAbort()
    })
  } finally {
    clearTimeout(resting)
    signal?.removeEventListener('abort', onAbort)
  }
  signal?.throwIfAborted()
}
