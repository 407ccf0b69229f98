import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { causeOf } from '../../../protocol/core/errors.ts'
import { filesOfV1, filesOfV2, type GroupFiles } from './group-files.ts'
import { GROUP_PREFIX, type GroupKeeper, type GroupLimits } from './group-keeper.ts'

/** Milliseconds that one word with the service manager may take. */
const CALL_MS_MAX = 10_000
const SUFFIX = '.slice'
/** A user's own would be somebody else's program. */
const PATH = '/usr/sbin:/sbin:/usr/bin:/bin'

const run = promisify(execFile)

export interface SystemdSlicesOptions {
  readonly root: string
  readonly version: 1 | 2
  readonly swap: boolean
  /** `systemctl`, by its name or path. */
  readonly program: string
}

/**
 * Slices of the service manager, for engines that have theirs made by it (`systemd`): a folder that
 * it does not know would be gone, or without limits, whenever it looks. Never of a unit file: what
 * is set is set until the host starts again, or until it is removed.
 */
export class SystemdSlices implements GroupKeeper {
  readonly #options: SystemdSlicesOptions

  constructor(options: SystemdSlicesOptions) {
    this.#options = options
  }

  parentOf(id: string): string {
    return `${GROUP_PREFIX}${id}${SUFFIX}`
  }

  async make(id: string, limits: GroupLimits): Promise<void> {
    const unit = this.parentOf(id)
    await this.#call('set-property', '--runtime', unit, ...this.#properties(limits))
    await this.#call('start', unit)
  }

  async limitsOf(id: string): Promise<GroupLimits> {
    return await (await this.#files(id)).read()
  }

  async remove(id: string): Promise<void> {
    const unit = this.parentOf(id)
    const place = await this.#placeOf(unit)
    // To stop a slice is to stop all that is in it.
    if (place !== '' && (await this.#isBusy(place))) throw new Error(`${unit} is in use`)
    await this.#call('stop', unit)
    // What was set goes with the unit, or it would wait for the next one of this name.
    await this.#call('revert', unit)
  }

  async ids(prefix: string): Promise<readonly string[]> {
    const pattern = `${GROUP_PREFIX}${prefix}*${SUFFIX}`
    const said = await this.#call('list-units', '--all', '--plain', '--no-legend', pattern)
    return said
      .split('\n')
      .map((line) => line.trim().split(' ')[0] ?? '')
      .filter((unit) => unit.startsWith(GROUP_PREFIX) && unit.endsWith(SUFFIX))
      .map((unit) => unit.slice(GROUP_PREFIX.length, -SUFFIX.length))
  }

  #properties({ memoryBytes, cpuMilli, pids }: GroupLimits): readonly string[] {
    const { version, swap } = this.#options
    return [
      `${version === 2 ? 'MemoryMax' : 'MemoryLimit'}=${memoryBytes}`,
      ...(version === 2 && swap ? ['MemorySwapMax=0'] : []),
      `TasksMax=${pids}`,
      `CPUQuota=${cpuMilli / 10}%`
    ]
  }

  async #placeOf(unit: string): Promise<string> {
    return (await this.#call('show', '--property=ControlGroup', '--value', unit)).trim()
  }

  async #isBusy(place: string): Promise<boolean> {
    const { root, version } = this.#options
    const folder = join(root, version === 2 ? '' : 'pids', place)
    const children = await readdir(folder, { withFileTypes: true }).catch(() => [])
    const folders = [
      folder,
      ...children.filter((each) => each.isDirectory()).map(({ name }) => join(folder, name))
    ]
    const held = folders.map((each) => readFile(join(each, 'cgroup.procs'), 'utf8').catch(() => ''))
    return (await Promise.all(held)).some((text) => text.trim() !== '')
  }

  async #files(id: string): Promise<GroupFiles> {
    const { root, version, swap } = this.#options
    const place = await this.#placeOf(this.parentOf(id))
    if (place === '') throw new Error(`${this.parentOf(id)} has no control group`)
    if (version === 2) return filesOfV2(join(root, place), swap)
    // Of its own accord the service manager sets no limit of memory with swap there.
    return filesOfV1((controller) => join(root, controller, place), false)
  }

  async #call(...args: readonly string[]): Promise<string> {
    const { program } = this.#options
    try {
      const { stdout } = await run(program, [...args], {
        timeout: CALL_MS_MAX,
        env: { PATH, LC_ALL: 'C' }
      })
      return stdout
    } catch (error) {
      const said = (error as { readonly stderr?: string }).stderr?.trim()
      throw new Error(`${program} ${args[0]} failed: ${said || causeOf(error)}`, { cause: error })
    }
  }
}
