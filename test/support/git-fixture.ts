import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'
import { freePort } from './port-block.ts'

const run = promisify(execFile)

const IDENTITY = {
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null'
}

/** Text of a file, or what makes it something else. */
export type FixtureFile = string | { readonly executable: string } | { readonly link: string }

/** A bare repository that `git daemon` serves on loopback. */
export class GitFixture {
  readonly url: string
  readonly bare: string
  readonly #root: string
  readonly #daemon: ChildProcess
  #stopped = false

  private constructor(root: string, bare: string, port: number, daemon: ChildProcess) {
    this.#root = root
    this.bare = bare
    this.url = `git://127.0.0.1:${port}/repo.git`
    this.#daemon = daemon
  }

  static async serve(): Promise<GitFixture> {
    const root = await mkdtemp(join(tmpdir(), 'runner-mesh-git-'))
    const bare = join(root, 'repo.git')
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare])
    const port = await freePort()
    const options = ['--export-all', '--reuseaddr', '--listen=127.0.0.1', `--port=${port}`]
    const words = ['git', 'daemon', ...options, `--base-path=${root}`, root]
    // Its input ends with this process, however that ends: a killed one stops and removes nothing.
    const script = 'root=$1; shift; "$@" & read -r _; rm -rf "$root"; kill -9 0'
    const daemon = spawn('/bin/sh', ['-c', script, 'sh', root, ...words], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true
    })
    await eventually('git daemon listens', () => answers(port))
    return new GitFixture(root, bare, port, daemon)
  }

  /** Commits exactly these files on main and gives the commit's id. */
  async commit(files: Readonly<Record<string, FixtureFile>>): Promise<string> {
    return await this.commitTree(async (dir) => {
      for (const [path, file] of Object.entries(files)) await lay(join(dir, path), file)
    })
  }

  /** The same for what `build` lays into an empty folder, whatever its names are. */
  async commitTree(build: (dir: string) => Promise<void>): Promise<string> {
    const dir = await mkdtemp(join(this.#root, 'tree-'))
    await build(dir)
    const inside = ['--git-dir', this.bare, '--work-tree', dir]
    await this.git([...inside, 'add', '--all', '--force', '.'])
    const tree = await this.git([...inside, 'write-tree'])
    await rm(dir, { recursive: true })
    return await this.commitOf(tree)
  }

  /** Commits a tree that exists in the repository. */
  async commitOf(tree: string): Promise<string> {
    const commit = await this.git(['--git-dir', this.bare, 'commit-tree', '-m', 'test', tree])
    await this.git(['--git-dir', this.bare, 'update-ref', 'refs/heads/main', commit])
    return commit
  }

  async git(args: readonly string[], stdin?: Uint8Array): Promise<string> {
    const running = run('git', [...args], { env: { ...process.env, ...IDENTITY } })
    running.child.stdin?.end(stdin)
    return (await running).stdout.trim()
  }

  async stop(): Promise<void> {
    const { pid } = this.#daemon
    // The whole group: `git daemon` runs the server as a child of its own.
    if (pid !== undefined && !this.#stopped) process.kill(-pid, 'SIGKILL')
    this.#stopped = true
    await rm(this.#root, { recursive: true, force: true })
  }
}

async function lay(path: string, file: FixtureFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  if (typeof file === 'string') return await writeFile(path, file)
  if ('link' in file) return await symlink(file.link, path)
  await writeFile(path, file.executable)
  await chmod(path, 0o755)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
