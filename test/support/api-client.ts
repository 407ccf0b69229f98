import type { AddressInfo } from 'node:net'
import type { HttpRig } from './http-rig.ts'

export interface ApiAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: each test knows what it asked for
  readonly body: any
}

/** Asks a gateway's API over a socket, with a token of its own. */
export class ApiClient {
  readonly #base: string
  readonly #headers: Record<string, string>

  private constructor(base: string, headers: Record<string, string>) {
    this.#base = base
    this.#headers = headers
  }

  static async of(rig: HttpRig, scopes: readonly string[] = ['read', 'write']): Promise<ApiClient> {
    if (!rig.app.server.listening) await rig.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = rig.app.server.address() as AddressInfo
    return new ApiClient(`http://127.0.0.1:${port}/api/v1`, await rig.bearer(scopes))
  }

  async get(path: string): Promise<ApiAnswer> {
    return await this.#ask(path, { headers: this.#headers })
  }

  /** `body` is sent as JSON; without one nothing is. */
  async post(
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {}
  ): Promise<ApiAnswer> {
    const sent = { ...this.#headers, ...headers }
    if (body === undefined) return await this.#ask(path, { method: 'POST', headers: sent })
    return await this.#ask(path, {
      method: 'POST',
      headers: { ...sent, 'content-type': 'application/json' },
      body: JSON.stringify(body)
    })
  }

  async #ask(path: string, init: RequestInit): Promise<ApiAnswer> {
    const reply = await fetch(`${this.#base}${path}`, init)
    return { status: reply.status, body: await reply.json() }
  }
}
