import { randomBytes } from 'node:crypto'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Daemon, eventually, mustRun, runCommand } from '../../deploy/demo/process.ts'

const HOOK = resolve(import.meta.dirname, '..', '..', 'deploy', 'post-receive.mjs')
const GIT_PORT = 9418
/** The hook gives its gateway 10 s. */
const PUSH_MS_MAX = 30_000

export interface Pushed {
  readonly commit: string
  /** The run by the gateway's 202; absent where it said nothing of the kind. */
  readonly run: string | undefined
}

/** A bare repository with the product's hook, and a clone to push from. */
export class PushedRepository {
  readonly name: string
  readonly url: string
  readonly secretFile: string
  readonly #clone: string

  private constructor(name: string, root: string, address: string) {
    this.name = name
    this.url = `git://${address}:${GIT_PORT}/${name}.git`
    this.secretFile = join(root, `${name}.secret`)
    this.#clone = join(root, 'clone', name)
  }

  static async make(
    name: string,
    root: string,
    parts: { readonly address: string; readonly hookUrl: string }
  ): Promise<PushedRepository> {
    const made = new PushedRepository(name, root, parts.address)
    const bare = join(root, 'git', `${name}.git`)
    await mkdir(bare, { recursive: true })
    await mkdir(made.#clone, { recursive: true })
    await mustRun('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare])
    const secret = `whsec_${randomBytes(32).toString('base64')}\n`
    await writeFile(made.secretFile, secret, { mode: 0o600 })
    for (const [key, value] of [
      ['runner-mesh.url', parts.hookUrl],
      ['runner-mesh.repository', name],
      ['runner-mesh.secretFile', made.secretFile]
    ] as const) {
      await mustRun('git', ['config', key, value], { cwd: bare })
    }
    await chmod(HOOK, 0o755)
    await symlink(HOOK, join(bare, 'hooks', 'post-receive'))
    const inClone = { cwd: made.#clone }
    await mustRun('git', ['init', '--quiet', '--initial-branch=main'], inClone)
    // A collection of its own would go on behind our back, in both of them.
    for (const cwd of [bare, made.#clone]) await mustRun('git', ['config', 'gc.auto', '0'], { cwd })
    await mustRun('git', ['config', 'user.name', 'Chaos'], inClone)
    await mustRun('git', ['config', 'user.email', 'chaos@example.org'], inClone)
    await mustRun('git', ['remote', 'add', 'origin', bare], inClone)
    return made
  }

  /** Commits the pipeline and pushes it; the hook's own words say whether a gateway took it. */
  async push(pipeline: string, message: string): Promise<Pushed> {
    const options = { cwd: this.#clone, timeoutMs: PUSH_MS_MAX }
    await writeFile(join(this.#clone, '.runner-mesh.yml'), pipeline)
    await mustRun('git', ['add', '--all'], options)
    await mustRun('git', ['commit', '--quiet', '--allow-empty', '-m', message], options)
    const commit = (await mustRun('git', ['rev-parse', 'HEAD'], options)).trim()
    const { stderr } = await runCommand('git', ['push', 'origin', 'HEAD:main'], options)
    const run = /runner-mesh: \S+ \w+ \w+: run (\w+)/.exec(stderr)?.[1]
    return { commit, run }
  }
}

/** Serves all of them from the desk; git's own program itself, without a child that outlives it. */
export async function serveRepositories(root: string, address: string): Promise<Daemon> {
  const served = join(root, 'git')
  await mkdir(served, { recursive: true })
  const programs = (await mustRun('git', ['--exec-path'])).trim()
  const daemon = new Daemon('git-daemon', join(root, 'logs', 'git.log'), [
    join(programs, 'git-daemon'),
    `--listen=${address}`,
    `--port=${GIT_PORT}`,
    '--reuseaddr',
    '--export-all',
    '--max-connections=64',
    '--timeout=30',
    `--base-path=${served}`,
    served
  ])
  await eventually('git daemon runs', () => (daemon.running ? true : undefined))
  return daemon
}
