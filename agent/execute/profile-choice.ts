import {
  type Isolation,
  type IsolationLevel,
  lacksIsolation
} from '../../protocol/core/isolation.ts'
import type { Trust } from '../../protocol/core/trust.ts'

export type ProfileName = 'strict' | 'standard' | 'builder'

export type ProfileChoice =
  | { readonly kind: 'profile'; readonly name: ProfileName }
  /** The owner wants this level for such jobs: no profile makes up for it. */
  | { readonly kind: 'refused'; readonly lacking: IsolationLevel }
  /** Nowhere: a builder meets more of the kernel than a stranger may. */
  | { readonly kind: 'stranger_builds' }

/**
 * What a job runs in. A stranger's gets to be root only where that root is nobody on the host: by
 * user namespaces, or by whatever is stronger than those.
 */
export function chooseProfile(
  trust: Trust,
  isolation: Isolation,
  { builder = false }: { readonly builder?: boolean | undefined } = {}
): ProfileChoice {
  const isStranger = trust !== 'trusted'
  // User namespaces of the engine's do not help: the kernel beneath them is the host's.
  if (builder)
    return isStranger ? { kind: 'stranger_builds' } : { kind: 'profile', name: 'builder' }
  const lacking = lacksIsolation(trust, isolation)
  if (lacking !== undefined) return { kind: 'refused', lacking }
  return {
    kind: 'profile',
    name: isStranger && isolation.offered === 'runc' ? 'strict' : 'standard'
  }
}
