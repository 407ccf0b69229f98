import {
  type Isolation,
  type IsolationLevel,
  type IsolationWish,
  isolationFor
} from '../../protocol/core/isolation.ts'

export type ProfileName = 'strict' | 'standard'

export type ProfileChoice =
  | {
      readonly kind: 'profile'
      readonly name: ProfileName
      /** What a runtime has to give; undefined where the engine's plain one does. */
      readonly runtimeLevel: IsolationLevel | undefined
    }
  /** The owner or the job wants this level: no profile makes up for it. */
  | { readonly kind: 'refused'; readonly lacking: IsolationLevel }

/**
 * What a job runs in. A stranger's gets to be root only where that root is nobody on the host: by
 * user namespaces, or by whatever is stronger than those.
 */
export function chooseProfile(job: IsolationWish, isolation: Isolation): ProfileChoice {
  const granted = isolationFor(job, isolation)
  if (granted.kind === 'lacking') return { kind: 'refused', lacking: granted.least }
  const isStranger = job.trust !== 'trusted'
  return {
    kind: 'profile',
    name: isStranger && granted.level === 'runc' ? 'strict' : 'standard',
    runtimeLevel: granted.by === 'runtime' ? granted.level : undefined
  }
}
