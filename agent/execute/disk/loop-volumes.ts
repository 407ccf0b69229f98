import { execFile } from 'node:child_process'
import { mkdir, open, readdir, readFile, realpath, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { causeOf } from '../../../protocol/core/errors.ts'
import { VOLUME_CALL_MS_MAX } from '../../../protocol/core/volume-limits.ts'

const IMAGE = '.ext4'
const DEVICE = '.dev'
const BLOCK_BYTES = 512
/** Whole blocks of ext4: a file that ends within one ends its file system before. */
const EXT4_BLOCK_BYTES = 4_096
/** Where Debian has the programs; a user's own PATH often lacks them. */
const PATH = '/usr/sbin:/sbin:/usr/bin:/bin'
/**
 * Nobody mounts it twice: a journal would only cost. No room is kept back for root, which the job
 * may be.
 */
const FEATURES = '^has_journal,^resize_inode'

const run = promisify(execFile)

/**
 * File systems of a fixed size in sparse files of one folder, each shown as a block device. By the
 * claims of attempts, which no two agents share.
 */
export class LoopVolumes {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Where the engine finds the device of this claim: a link, since its number is known late. */
  device(claim: string): string {
    return join(this.#dir, `${claim}${DEVICE}`)
  }

  /**
   * `owner` is the number of user and group that its root folder is of. Rejects with whatever the
   * programs say; what there is by then is for `remove`.
   */
  async make(claim: string, bytes: number, owner: number): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const image = this.#image(claim)
    const file = await open(image, 'wx', 0o600)
    try {
      await file.truncate(Math.floor(bytes / EXT4_BLOCK_BYTES) * EXT4_BLOCK_BYTES)
    } finally {
      await file.close()
    }
    const options = `root_owner=${owner}:${owner},lazy_itable_init=1,nodiscard`
    await call('mkfs.ext4', ['-q', '-F', '-m', '0', '-O', FEATURES, '-E', options, image])
    const device = await call('losetup', ['--find', '--show', image])
    await symlink(device, this.device(claim))
  }

  /**
   * Called once the engine has mounted it: from now on the kernel gives the device back by itself
   * when the last mount goes, whoever is there to see it.
   */
  async release(claim: string): Promise<void> {
    for (const device of await this.#devices(claim)) await call('losetup', ['--detach', device])
  }

  /** Bytes of the host's disk that it takes; 0 where there is none. */
  async usedBytes(claim: string): Promise<number> {
    const found = await stat(this.#image(claim)).catch(() => undefined)
    return (found?.blocks ?? 0) * BLOCK_BYTES
  }

  /** Resolves once device and file are gone. Rejects while it is mounted. */
  async remove(claim: string): Promise<void> {
    await this.release(claim)
    const [busy] = await this.#devices(claim)
    // Without its file a device that is still mounted could never be found again.
    if (busy !== undefined) throw new Error(`${busy} is in use`)
    await rm(this.device(claim), { force: true })
    await rm(this.#image(claim), { force: true })
  }

  /** Of all that lies in the folder. */
  async claims(): Promise<readonly string[]> {
    const names = await readdir(this.#dir).catch(() => [])
    const claims = names
      .filter((name) => name.endsWith(IMAGE) || name.endsWith(DEVICE))
      .map((name) => name.slice(0, name.lastIndexOf('.')))
    return [...new Set(claims)]
  }

  #image(claim: string): string {
    return join(this.#dir, `${claim}${IMAGE}`)
  }

  /** Asked of the kernel: a number that was written down may be somebody else's device by now. */
  async #devices(claim: string): Promise<readonly string[]> {
    // The kernel has the path without links.
    const image = await realpath(this.#image(claim)).catch(() => '')
    const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'))
    const files = await Promise.all(
      names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => ''))
    )
    return names
      .filter((_, at) => image !== '' && files[at]?.trim() === image)
      .map((name) => `/dev/${name}`)
  }
}

async function call(program: string, args: readonly string[]): Promise<string> {
  try {
    const limits = { timeout: VOLUME_CALL_MS_MAX, env: { PATH, LC_ALL: 'C' } }
    return (await run(program, [...args], limits)).stdout.trim()
  } catch (error) {
    const said = (error as { readonly stderr?: string }).stderr?.trim()
    throw new Error(`${program} failed: ${said || causeOf(error)}`, { cause: error })
  }
}
