import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { filesOfV1, filesOfV2, type GroupFiles } from './group-files.ts'
import { GROUP_PREFIX, type GroupKeeper, type GroupLimits } from './group-keeper.ts'

/** Those that a job has limits of; an engine makes the folders of all others by itself. */
const CONTROLLERS = ['cpu', 'memory', 'pids'] as const

export interface CgroupFoldersOptions {
  /** Where the host has its control groups. */
  readonly root: string
  readonly version: 1 | 2
  /** False where the kernel does not count swap. */
  readonly swap: boolean
}

/**
 * Folders of the kernel's own, for engines that make theirs so as well (`cgroupfs`): one at the top
 * for each group, so that none is left when the last one goes.
 */
export class CgroupFolders implements GroupKeeper {
  readonly #options: CgroupFoldersOptions

  constructor(options: CgroupFoldersOptions) {
    this.#options = options
  }

  parentOf(id: string): string {
    return `/${GROUP_PREFIX}${id}`
  }

  async make(id: string, limits: GroupLimits): Promise<void> {
    const { root, version } = this.#options
    if (version === 2) {
      // Without these a group below has no such files; where they are on, this changes nothing.
      const wanted = CONTROLLERS.map((name) => `+${name}`).join(' ')
      await writeFile(join(root, 'cgroup.subtree_control'), wanted)
      await mkdir(this.#folder(root, id), { recursive: true })
    } else {
      for (const name of CONTROLLERS) {
        await mkdir(this.#folder(join(root, name), id), { recursive: true })
      }
    }
    await this.#files(id).write(limits)
  }

  async limitsOf(id: string): Promise<GroupLimits> {
    return await this.#files(id).read()
  }

  async remove(id: string): Promise<void> {
    for (const hierarchy of await this.#hierarchies()) {
      const folder = this.#folder(hierarchy, id)
      // What a runtime left that was killed; the kernel keeps each that has a process in it.
      for (const child of await foldersIn(folder)) await removed(join(folder, child))
      await removed(folder)
    }
  }

  async ids(prefix: string): Promise<readonly string[]> {
    const found = new Set<string>()
    for (const hierarchy of await this.#hierarchies()) {
      for (const name of await foldersIn(hierarchy)) {
        if (name.startsWith(`${GROUP_PREFIX}${prefix}`)) found.add(name.slice(GROUP_PREFIX.length))
      }
    }
    return [...found]
  }

  #files(id: string): GroupFiles {
    const { root, version, swap } = this.#options
    if (version === 2) return filesOfV2(this.#folder(root, id), swap)
    return filesOfV1((controller) => this.#folder(join(root, controller), id), swap)
  }

  #folder(hierarchy: string, id: string): string {
    return join(hierarchy, `${GROUP_PREFIX}${id}`)
  }

  /** Each of which an engine puts a container into. */
  async #hierarchies(): Promise<readonly string[]> {
    const { root, version } = this.#options
    if (version === 2) return [root]
    return (await foldersIn(root)).map((name) => join(root, name))
  }
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return found.filter((each) => each.isDirectory()).map(({ name }) => name)
}

async function removed(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
