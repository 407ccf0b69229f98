import {
  type Isolation,
  type IsolationLevel,
  type IsolationWish,
  isolationFor
} from '../../protocol/core/isolation.ts'

export type ProfileName = 'strict' | 'standard' | 'builder'

export type ProfileChoice =
  | {
      readonly kind: 'profile'
      readonly name: ProfileName
      /** What a runtime has to give; undefined where the engine's plain one does. */
      readonly runtimeLevel: IsolationLevel | undefined
    }
  /** The owner or the job wants this level: no profile makes up for it. */
  | { readonly kind: 'refused'; readonly lacking: IsolationLevel }
  /** Nowhere: a builder meets more of the kernel than a stranger may. */
  | { readonly kind: 'stranger_builds' }

/**
 * What a job runs in. A stranger's gets to be root only where that root is nobody on the host: by
 * user namespaces, or by whatever is stronger than those.
 */
export function chooseProfile(job: IsolationWish, isolation: Isolation): ProfileChoice {
  const isStranger = job.trust !== 'trusted'
  const builds = job.spec.builder === true
  if (builds && isStranger) return { kind: 'stranger_builds' }
  const granted = isolationFor(job, isolation)
  if (granted.kind === 'lacking') return { kind: 'refused', lacking: granted.least }
  // User namespaces of the engine's do not help: the kernel beneath them is the host's.
  if (builds) return { kind: 'profile', name: 'builder', runtimeLevel: undefined }
  return {
    kind: 'profile',
    name: isStranger && granted.level === 'runc' ? 'strict' : 'standard',
    runtimeLevel: granted.by === 'runtime' ? granted.level : undefined
  }
}
