import { causeOf, MeshError } from '../../../protocol/core/errors.ts'
import { procFile } from '../../../protocol/host/process-identity.ts'
import type { ContainerBody } from '../engine-types.ts'
import type { Leftover } from '../removal.ts'
import type { GroupKeeper, GroupLimits } from './group-keeper.ts'

const PAGE_BYTES_MAX = 65_536

/** The control group above the containers of one attempt. */
export class JobGroup {
  readonly #keeper: GroupKeeper
  readonly #job: string
  readonly #id: string

  constructor(keeper: GroupKeeper, job: string, id: string) {
    this.#keeper = keeper
    this.#job = job
    this.#id = id
  }

  /** As the engine takes it for `CgroupParent`. */
  get parent(): string {
    return this.#keeper.parentOf(this.#id)
  }

  /** Before any container is started: an engine makes one without limits where there is none. */
  async open(bodies: readonly ContainerBody[]): Promise<void> {
    await this.#keeper.make(this.#id, togetherOf(bodies))
  }

  /**
   * Compares what holds with what such containers need, and looks for each of these processes in
   * it. Throws SANDBOX_DIFFERS.
   */
  async prove(bodies: readonly ContainerBody[], pids: readonly number[]): Promise<void> {
    const asked = togetherOf(bodies)
    const found = await this.#keeper.limitsOf(this.#id).catch((error: unknown) => {
      throw this.#differs(`${this.parent} has no limits that can be read: ${causeOf(error)}`)
    })
    for (const name of ['memoryBytes', 'cpuMilli', 'pids'] as const) {
      if (found[name] === asked[name]) continue
      throw this.#differs(`${name} of ${this.parent} is ${found[name]}, asked ${asked[name]}`)
    }
    const outside = pids.find((pid) => !isBelow(this.parent, procFile(pid, 'cgroup') ?? ''))
    if (outside !== undefined) throw this.#differs(`process ${outside} is not in ${this.parent}`)
  }

  leftovers(): readonly Leftover[] {
    return [{ what: `control group ${this.parent}`, remove: () => this.#keeper.remove(this.#id) }]
  }

  #differs(difference: string): MeshError {
    return new MeshError('SANDBOX_DIFFERS', { job: this.#job, difference })
  }
}

/** What containers of these bodies may take, all of them together. */
export function togetherOf(bodies: readonly ContainerBody[]): GroupLimits {
  const sum = (field: string): number =>
    bodies.reduce((total, { HostConfig }) => total + Number(HostConfig[field]), 0)
  return {
    // The kernel counts in pages, of up to so many bytes.
    memoryBytes: Math.floor(sum('Memory') / PAGE_BYTES_MAX) * PAGE_BYTES_MAX,
    cpuMilli: sum('NanoCpus') / 1_000_000,
    pids: sum('PidsLimit')
  }
}

/** True where each controller that limits it has it below this group. */
export function isBelow(parent: string, groups: string): boolean {
  const name = parent.replace(/^\//, '')
  const lines = groups.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
  const wanted = lines.filter((line) => {
    const controllers = line?.[1]?.split(',') ?? []
    return ['memory', 'pids', 'cpu'].some((each) => controllers.includes(each))
  })
  const of = wanted.length > 0 ? wanted : lines.filter((line) => line?.[1] === '')
  return of.length > 0 && of.every((line) => line?.[2]?.split('/').includes(name) === true)
}
