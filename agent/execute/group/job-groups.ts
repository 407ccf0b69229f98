import { readlink } from 'node:fs/promises'
import { causeOf } from '../../../protocol/core/errors.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { EngineInfo } from '../engine-types.ts'
import { CgroupFolders } from './cgroup-folders.ts'
import type { GroupKeeper } from './group-keeper.ts'
import { JobGroup } from './job-group.ts'
import { SystemdSlices } from './systemd-slices.ts'

/** Where kernels have their control groups, since all service managers mount them there. */
const ROOT = '/sys/fs/cgroup'
/** What is tried is any that can be told from what there is without a limit. */
const TRIAL = { memoryBytes: 67_108_864, cpuMilli: 500, pids: 64 }
const TRIAL_CLAIM = 'trial'
/** The kernel's own numbers of the namespaces that it starts with. */
const FIRST_NAMESPACES = { cgroup: 'cgroup:[4026531835]', pid: 'pid:[4026531836]' } as const

/** What tells how an engine makes control groups. */
export type GroupSource = Pick<EngineInfo, 'cgroup' | 'cgroupDriver' | 'security' | 'swapLimit'>

export interface JobGroupsParts {
  readonly log: Log
  /** Of this agent, in the names of its groups: several may share one engine. */
  readonly suffix: string
  /** In place of what the engine's own words lead to. */
  readonly keeperOf?: (info: GroupSource) => GroupKeeper
}

/**
 * Control groups of the jobs of this host that have more than one container. Whether there are any
 * is tried by making one, once for each kind of engine: an agent that is not root, or is in a
 * container itself, cannot, and then each container has its own limits alone.
 */
export class JobGroups {
  readonly #parts: JobGroupsParts
  #learned: { readonly of: string; readonly keeper: Promise<GroupKeeper | undefined> } | undefined
  #keeper: GroupKeeper | undefined

  constructor(parts: JobGroupsParts) {
    this.#parts = parts
  }

  /** Before `groupOf`, and again whenever the engine may be another. Never rejects. */
  async learn(info: GroupSource): Promise<void> {
    const of = [info.cgroup, info.cgroupDriver, info.swapLimit, ...info.security].join(' ')
    if (this.#learned?.of !== of) this.#learned = { of, keeper: this.#tried(info) }
    this.#keeper = await this.#learned.keeper
  }

  /** Undefined where there are none here. */
  groupOf(jobId: string, claimId: string): JobGroup | undefined {
    if (this.#keeper === undefined) return undefined
    return new JobGroup(this.#keeper, jobId, this.#idOf(claimId))
  }

  /** Removes those of this agent that nobody owns; gives what could not be removed. */
  async reap(isOwned: (claim: string) => Promise<boolean>): Promise<readonly unknown[]> {
    const keeper = this.#keeper
    const failures: unknown[] = []
    if (keeper === undefined) return failures
    for (const id of await keeper.ids(this.#idOf(''))) {
      const claim = id.slice(this.#idOf('').length)
      if (claim === TRIAL_CLAIM || (await isOwned(claim))) continue
      await keeper.remove(id).catch((error: unknown) => failures.push(error))
    }
    return failures
  }

  async #tried(info: GroupSource): Promise<GroupKeeper | undefined> {
    const id = this.#idOf(TRIAL_CLAIM)
    try {
      const keeper = this.#parts.keeperOf?.(info) ?? (await keeperOf(info))
      try {
        await keeper.make(id, TRIAL)
        const found = await keeper.limitsOf(id)
        const isSame = JSON.stringify(Object.entries(found).sort())
        if (isSame !== JSON.stringify(Object.entries(TRIAL).sort())) {
          throw new Error(`a group for ${JSON.stringify(TRIAL)} has ${JSON.stringify(found)}`)
        }
      } finally {
        await keeper.remove(id)
      }
      return keeper
    } catch (error) {
      const cause = causeOf(error)
      this.#parts.log.info({ cause }, 'no control group for a job with its services here')
      return undefined
    }
  }

  #idOf(claimId: string): string {
    return `${this.#parts.suffix}_${claimId}`
  }
}

/** Rejects with what keeps this process from the control groups of the engine. */
async function keeperOf({
  cgroup,
  cgroupDriver,
  security,
  swapLimit
}: GroupSource): Promise<GroupKeeper> {
  if (security.has('rootless')) throw new Error("the engine is its user's, with groups of his own")
  for (const [kind, first] of Object.entries(FIRST_NAMESPACES)) {
    const own = await readlink(`/proc/self/ns/${kind}`)
    // Its root of control groups would be a place inside of another's.
    if (own !== first) throw new Error(`this process is in a ${kind} namespace of its own`)
  }
  const place = { root: ROOT, version: cgroup, swap: swapLimit }
  if (cgroupDriver === 'cgroupfs') return new CgroupFolders(place)
  if (cgroupDriver === 'systemd') return new SystemdSlices({ ...place, program: 'systemctl' })
  throw new Error(`the engine's driver of control groups is ${cgroupDriver || 'not said'}`)
}
