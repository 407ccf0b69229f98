import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { git } from '../../protocol/host/git.ts'
import { Workspace } from '../execute/workspace.ts'
import { copyFiles, folderFiles, gitFiles } from './local-files.ts'
import type { LocalPlace } from './local-place.ts'

export interface LocalSourceParts {
  readonly parent: string
  readonly claimId: string
  readonly busybox: string
  readonly place: LocalPlace
  readonly say: (text: string) => void
}

/** A copy of what somebody works on, in place of a commit that is fetched. */
export class LocalSource extends Workspace {
  readonly #place: LocalPlace
  readonly #say: (text: string) => void

  constructor({ parent, claimId, busybox, place, say }: LocalSourceParts) {
    super(parent, claimId, busybox)
    this.#place = place
    this.#say = say
  }

  /** Throws EXEC_SOURCE_REFUSED. */
  override async checkOut(_source: unknown, signal: AbortSignal): Promise<void> {
    const { root, isRepository } = this.#place
    await mkdir(this.dir, { recursive: true })
    await chmod(this.dir, 0o755)
    await this.#history(signal)
    const from = Buffer.from(root)
    try {
      const files = await (isRepository ? gitFiles : folderFiles)(from, signal)
      await copyFiles(files, from, Buffer.from(this.dir), signal)
    } catch (error) {
      signal.throwIfAborted()
      const facts = { folder: root, problem: causeOf(error) }
      throw new MeshError('EXEC_SOURCE_REFUSED', facts, { cause: error })
    }
  }

  /** The one commit that an agent would have laid out; what differs from it shows as changed. */
  async #history(signal: AbortSignal): Promise<void> {
    const { root, commit } = this.#place
    if (commit === undefined) return
    const inside = { cwd: this.dir, signal }
    const fetch = ['fetch', '--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules']
    try {
      await git(['init', '--quiet', '--template=', this.dir], inside)
      // A folder of this host, and of whoever asks: strangers' addresses are never fetched so.
      const local = ['-c', 'protocol.file.allow=always']
      await git([...local, ...fetch, '--end-of-options', root, commit], inside)
      await git(['update-ref', '--no-deref', 'HEAD', commit], inside)
      await git(['read-tree', 'HEAD'], inside)
    } catch (error) {
      signal.throwIfAborted()
      await rm(join(this.dir, '.git'), { recursive: true, force: true })
      this.#say(`the job gets no .git: ${causeOf(error)}`)
    }
  }
}
