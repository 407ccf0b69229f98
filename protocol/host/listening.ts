import type { AddressInfo } from 'node:net'
import { causeOf, MeshError } from '../core/errors.ts'

/** A server over HTTP, as fastify makes them. */
export interface Listener {
  listen(place: { readonly host: string; readonly port: number }): PromiseLike<unknown>
  readonly server: { address(): AddressInfo | string | null }
}

export interface Listening {
  readonly host: string
  readonly port: number
  /** The setting that names them, and its file. */
  readonly setting: string
  readonly file: string
}

/** Rejects with CONFIG_INVALID where it cannot listen there. */
export async function listenOn(
  app: Listener,
  { host, port, setting, file }: Listening
): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    const cause = error instanceof Error && 'code' in error ? String(error.code) : causeOf(error)
    const problem = `${setting}: cannot listen on ${host}:${port} (${cause}): choose another port`
    throw new MeshError('CONFIG_INVALID', { file, problem }, { cause: error })
  }
}

/** Base of what it serves; '' where it does not listen. */
export function urlOf(app: Listener): string {
  const address = app.server.address() as AddressInfo | null
  if (address === null) return ''
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}
