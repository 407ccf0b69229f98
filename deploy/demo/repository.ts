import { randomBytes } from 'node:crypto'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type CommandResult, Daemon, eventually, mustRun, runCommand } from './process.ts'

const HOOK = resolve(import.meta.dirname, '..', 'post-receive.mjs')

export interface RepositoryOptions {
  readonly root: string
  readonly name: string
  readonly gitPort: number
  /** Where the hook posts its deliveries. */
  readonly hookUrl: string
}

/**
 * A bare repository with the hook, served by `git daemon` on loopback, and a clone to push from.
 */
export class Repository {
  readonly name: string
  readonly bare: string
  readonly clone: string
  readonly secretFile: string
  readonly url: string
  readonly #daemon: Daemon

  private constructor(options: RepositoryOptions, daemon: Daemon) {
    const paths = repositoryPaths(options)
    this.name = options.name
    this.bare = paths.bare
    this.clone = paths.clone
    this.secretFile = paths.secretFile
    this.url = `git://127.0.0.1:${options.gitPort}/${options.name}.git`
    this.#daemon = daemon
  }

  static async make(options: RepositoryOptions): Promise<Repository> {
    const { served, bare, clone, secretFile } = repositoryPaths(options)
    await mkdir(served, { recursive: true })
    await mkdir(bare, { recursive: true })
    await mustRun('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare])
    await writeFile(secretFile, `whsec_${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
    await configure(bare, {
      'runner-mesh.url': options.hookUrl,
      'runner-mesh.repository': options.name,
      'runner-mesh.secretFile': secretFile
    })
    await chmod(HOOK, 0o755)
    await symlink(HOOK, join(bare, 'hooks', 'post-receive'))
    await mustRun('git', ['init', '--quiet', '--initial-branch=main', clone])
    await configure(clone, { 'user.name': 'Demo', 'user.email': 'demo@example.org' })
    await mustRun('git', ['remote', 'add', 'origin', bare], { cwd: clone })
    const daemon = await serve(served, options)
    return new Repository(options, daemon)
  }

  /** Writes `files`, commits and pushes; gives the commit id and what the hook said. */
  async push(
    files: Readonly<Record<string, string>>,
    message: string,
    branch = 'main'
  ): Promise<{ readonly commit: string; readonly pushed: CommandResult }> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(this.clone, name, '..'), { recursive: true })
      await writeFile(join(this.clone, name), text)
    }
    await mustRun('git', ['add', '--all'], { cwd: this.clone })
    await mustRun('git', ['commit', '--quiet', '--allow-empty', '--message', message], {
      cwd: this.clone
    })
    const head = await mustRun('git', ['rev-parse', 'HEAD'], { cwd: this.clone })
    const pushed = await runCommand('git', ['push', 'origin', `HEAD:refs/heads/${branch}`], {
      cwd: this.clone
    })
    if (pushed.code !== 0) throw new Error(`git push exited ${pushed.code}: ${pushed.stderr}`)
    return { commit: head.trim(), pushed }
  }

  stop(): Promise<void> {
    return this.#daemon.stop()
  }
}

function repositoryPaths(options: RepositoryOptions) {
  const served = join(options.root, 'git')
  return {
    served,
    bare: join(served, `${options.name}.git`),
    clone: join(options.root, 'clone', options.name),
    secretFile: join(options.root, `${options.name}.secret`)
  }
}

async function configure(dir: string, settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await mustRun('git', ['config', name, value], { cwd: dir })
  }
}

/** Runs git's own daemon program itself: `git daemon` would leave a child that outlives it. */
async function serve(served: string, options: RepositoryOptions): Promise<Daemon> {
  const programs = (await mustRun('git', ['--exec-path'])).trim()
  const port = String(options.gitPort)
  const daemon = new Daemon('git-daemon', join(options.root, `${options.name}-git.log`), [
    join(programs, 'git-daemon'),
    '--listen=127.0.0.1',
    `--port=${port}`,
    '--reuseaddr',
    '--export-all',
    '--enable=upload-pack',
    `--base-path=${served}`,
    served
  ])
  await eventually('git daemon answers', async () => {
    const url = `git://127.0.0.1:${port}/${options.name}.git`
    const reply = await runCommand('git', ['ls-remote', url], { timeoutMs: 5_000 })
    return reply.code === 0 ? true : undefined
  })
  return daemon
}
