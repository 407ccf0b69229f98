import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'

/** `file` is that of the settings. Rejects with CONFIG_INVALID where it cannot listen there. */
export async function listenOn(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
  file: string
): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    const cause = error instanceof Error && 'code' in error ? String(error.code) : causeOf(error)
    const problem = `http: cannot listen on ${host}:${port} (${cause}): choose another port`
    throw new MeshError('CONFIG_INVALID', { file, problem }, { cause: error })
  }
}

/** Base of what it serves; '' where it does not listen. */
export function urlOf(app: FastifyInstance): string {
  const address = app.server.address() as AddressInfo | null
  if (address === null) return ''
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}
