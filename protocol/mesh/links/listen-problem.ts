import { causeOf, MeshError } from '../../core/errors.ts'

/** How libp2p names each address that it could not listen on, with the system's code behind it. */
const REFUSED = /^\s*(\/\S+): .*?\b(E[A-Z]{3,})\b/m

/**
 * CONFIG_INVALID with the address where the node could not listen: a port that is taken is nothing
 * to report as a bug. Anything else is given back as it is.
 */
export function listenProblem(error: unknown): unknown {
  const [, address, code] = REFUSED.exec(causeOf(error)) ?? []
  if (!isListenError(error) || address === undefined) return error
  const problem = `cannot listen on ${address} (${code}): choose another address or port`
  return new MeshError('CONFIG_INVALID', { file: 'listen', problem }, { cause: error })
}

function isListenError(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnsupportedListenAddressesError'
}
