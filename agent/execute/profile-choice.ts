import {
  type Isolation,
  type IsolationLevel,
  lacksIsolation
} from '../../protocol/core/isolation.ts'
import type { Trust } from '../../protocol/core/trust.ts'

export type ProfileName = 'strict' | 'standard'

export type ProfileChoice =
  | { readonly kind: 'profile'; readonly name: ProfileName }
  /** The owner wants this level for such jobs: no profile makes up for it. */
  | { readonly kind: 'refused'; readonly lacking: IsolationLevel }

/**
 * What a job runs in. A stranger's gets to be root only where that root is nobody on the host: by
 * user namespaces, or by whatever is stronger than those.
 */
export function chooseProfile(trust: Trust, isolation: Isolation): ProfileChoice {
  const lacking = lacksIsolation(trust, isolation)
  if (lacking !== undefined) return { kind: 'refused', lacking }
  const isStranger = trust !== 'trusted'
  return {
    kind: 'profile',
    name: isStranger && isolation.offered === 'runc' ? 'strict' : 'standard'
  }
}
