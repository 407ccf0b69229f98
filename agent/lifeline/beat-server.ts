import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { GUARDIAN_BEAT_MS, GUARDIAN_CONNECTIONS_MAX } from '../../protocol/core/limits.ts'
import { BEAT_CHARACTERS_MAX, type Beat, encodeBeat } from './beat.ts'

/** Sends beats to whoever connects, and hears nothing: no one can order a guardian about. */
export class BeatServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #beat: () => Beat
  #timer: NodeJS.Timeout | undefined

  constructor(beat: () => Beat) {
    this.#beat = beat
    this.#server = createServer((socket) => this.#take(socket))
    this.#server.maxConnections = GUARDIAN_CONNECTIONS_MAX
  }

  /** For the one guardian of this state: a socket that is there is a dead one's. */
  async listen(path: string): Promise<void> {
    await rm(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
    this.#server.on('error', () => undefined)
    await chmod(path, 0o600)
    this.#timer = setInterval(() => this.send(), GUARDIAN_BEAT_MS)
  }

  /** To everybody, now: after a first look there is news. */
  send(): void {
    const line = encodeBeat(this.#beat())
    for (const socket of this.#sockets) {
      // Who does not read is not served: beats must not pile up in a guardian.
      if (socket.writableLength > BEAT_CHARACTERS_MAX) socket.destroy()
      else socket.write(line)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.resume()
    socket.write(encodeBeat(this.#beat()))
  }
}
