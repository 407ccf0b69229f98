import type { IsolationLevel } from '../../protocol/core/isolation.ts'
import type { EngineInfo } from './engine-types.ts'

/** How the users of containers are others on the host. */
export interface UserNamespace {
  /** `remap`: by the engine's `userns-remap`; `rootless`: the whole engine is a user's own. */
  readonly kind: 'remap' | 'rootless'
  /**
   * User of the engine's own side that root in a container is: what it mounts for a container, the
   * options of a volume say, is in these numbers. In a rootless engine both sides are one.
   */
  readonly base: number
  /** Likewise its group, which is another number where the two are mapped apart. */
  readonly groupBase: number
}

/** A remapping engine keeps its data apart for each mapping: `.../100000.100000`. */
const MAPPED_ROOT = /\/(\d+)\.(\d+)\/*$/

/** Undefined where root in a container is root on the host, or where that cannot be told. */
export function userNamespaceOf({
  security,
  rootDir
}: Pick<EngineInfo, 'security' | 'rootDir'>): UserNamespace | undefined {
  if (security.has('rootless')) return { kind: 'rootless', base: 0, groupBase: 0 }
  const [, user, group] = MAPPED_ROOT.exec(rootDir) ?? []
  const [base, groupBase] = [Number(user ?? 0), Number(group ?? 0)]
  // A base of 0 would be no other user: whatever the engine calls that, it keeps nobody apart.
  return security.has('userns') && base > 0 ? { kind: 'remap', base, groupBase } : undefined
}

/** What each container gets that asks for no runtime. */
export function isolationOf(info: Pick<EngineInfo, 'security' | 'rootDir'>): IsolationLevel {
  return userNamespaceOf(info) === undefined ? 'runc' : 'userns'
}
