/** What the containers of one group may take together. */
export interface GroupLimits {
  readonly memoryBytes: number
  readonly cpuMilli: number
  readonly pids: number
}

/** How control groups are made above containers; calls reject with what the system says. */
export interface GroupKeeper {
  /** The group of this id, as the engine takes it for `CgroupParent`. */
  parentOf(id: string): string
  make(id: string, limits: GroupLimits): Promise<void>
  /** What holds now; rejects where there is no such group. */
  limitsOf(id: string): Promise<GroupLimits>
  /** Resolves once it is gone, or was never there; rejects while a process is in it. */
  remove(id: string): Promise<void>
  /** Of all that begin with `prefix`, whoever made them. */
  ids(prefix: string): Promise<readonly string[]>
}

/** Of a folder below the root of control groups, of a slice: what begins otherwise is not ours. */
export const GROUP_PREFIX = 'runner-mesh-'
