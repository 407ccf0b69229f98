import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** A Unix socket before the engine's own, which a test can let hang. */
export class HangingEngine {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #hangs = false

  private constructor(engine: string) {
    this.#server = createServer((client) => this.#take(client, createConnection(engine)))
  }

  static async open(path: string, engine: string): Promise<HangingEngine> {
    const one = new HangingEngine(engine)
    await new Promise<void>((listening) => one.#server.listen(path, listening))
    return one
  }

  /** From now on nothing goes through, in either direction. */
  hang(): void {
    this.#hangs = true
    for (const [client, engine] of this.#pairs) {
      client.unpipe(engine)
      engine.unpipe(client)
    }
  }

  /** What was said while it hung is lost, as it is with an engine that is started again. */
  comeBack(): void {
    this.#hangs = false
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  async close(): Promise<void> {
    this.comeBack()
    await new Promise((closed) => this.#server.close(closed))
  }

  #take(client: Socket, engine: Socket): void {
    const pair = [client, engine] as const
    this.#pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#pairs.delete(pair)
        for (const each of pair) each.destroy()
      })
    }
    if (this.#hangs) return
    client.pipe(engine)
    engine.pipe(client)
  }
}
