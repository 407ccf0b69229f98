import { createServer, type Server } from 'node:http'

/** A registry on loopback, which engines ask without TLS, that says the same of every manifest. */
export class FakeRegistry {
  /** `127.0.0.1:PORT`, to be put before an image's name. */
  readonly host: string
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.host = `127.0.0.1:${port}`
  }

  static async open(status: number, code: string, message: string): Promise<FakeRegistry> {
    const server = createServer((request, response) => {
      const isPing = request.url === '/v2/'
      response.writeHead(isPing ? 200 : status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(isPing ? {} : { errors: [{ code, message }] }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FakeRegistry(server, (server.address() as { port: number }).port)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
