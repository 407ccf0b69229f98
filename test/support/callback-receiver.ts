import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CallbackBody, callbackSchema } from '../../gateway/status/callback.ts'
import { Gate } from './gate.ts'
import { webhookSignature } from './standard-webhook.ts'

/** Where a bare repository's runs are told: a real HTTP server that takes what is signed. */
export class CallbackReceiver {
  /** In the order in which they came. */
  readonly taken: CallbackBody[] = []
  /** Refused: not signed with the secret. */
  refused = 0
  /** What is held here has not been looked at: `run.updated succeeded`. */
  readonly before = new Gate()
  /** What is held here is taken, and its answer has not left. */
  readonly after = new Gate()
  readonly url: string
  readonly #server: Server
  readonly #secret: string

  private constructor(server: Server, secret: string) {
    this.#server = server
    this.#secret = secret
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/runs`
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#take(request, response).catch((error: unknown) => {
        response.writeHead(500)
        response.end(String(error))
      })
    })
  }

  static async serve(secret: string): Promise<CallbackReceiver> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new CallbackReceiver(server, secret)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts)
    const id = String(request.headers['webhook-id'])
    const seconds = Number(request.headers['webhook-timestamp'])
    const signature = webhookSignature({ secret: this.#secret, id, seconds, body })
    if (request.headers['webhook-signature'] !== signature) {
      this.refused += 1
      response.writeHead(401)
      response.end()
      return
    }
    const callback = callbackSchema.parse(JSON.parse(body.toString('utf8')))
    const said = `${callback.type} ${callback.data.state}`
    if ((await this.before.pass(said)) === 'dropped') {
      response.destroy()
      return
    }
    this.taken.push(callback)
    await this.after.pass(said)
    response.writeHead(204)
    response.end()
  }
}
