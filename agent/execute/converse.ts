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
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await new Promise<void>((resolve) => {
      socket.on('data', onChunk)
      socket.once('end', resolve)
      socket.once('close', resolve)
      // A reset is an end like any other: what became of the process is asked for afterwards.
      socket.once('error', () => resolve())
      if (stdin !== undefined) stdin.pipe(socket)
      if (signal?.aborted === true) onAbort()
    })
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
  signal?.throwIfAborted()
}
