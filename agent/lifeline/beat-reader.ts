import { createConnection } from 'node:net'
import { BEAT_CHARACTERS_MAX, type Beat, parseBeat } from './beat.ts'

/**
 * Hears a guardian for as long as it lives: the kernel ends the connection with it. Resolves with
 * whether there was one; never rejects.
 */
export function hearBeats(
  socket: string,
  onBeat: (beat: Beat) => void,
  signal: AbortSignal
): Promise<'never_there' | 'ended'> {
  return new Promise((resolve) => {
    let heard: 'never_there' | 'ended' = 'never_there'
    let rest = ''
    const connection = createConnection(socket)
    const onAbort = (): void => void connection.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    connection.setEncoding('utf8')
    connection.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(-BEAT_CHARACTERS_MAX)
      for (const line of lines) {
        const beat = parseBeat(line)
        if (beat === undefined) continue
        heard = 'ended'
        onBeat(beat)
      }
    })
    connection.on('error', () => undefined)
    connection.on('close', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(heard)
    })
  })
}
