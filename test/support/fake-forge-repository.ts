import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { FakeHook } from './fake-forge-hooks.ts'
import type { FakeRunners } from './fake-forge-runners.ts'
import type { FakePull, FakeStatus, FakeUser } from './fake-forge-world.ts'

const run = promisify(execFile)

const ENVIRONMENT = {
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null'
}

export interface FakeRepositoryParts {
  readonly id: number
  readonly path: string
  /** The bare repository on this host's disk. */
  readonly dir: string
  readonly isPrivate: boolean
  readonly owner: FakeUser
  readonly actions: FakeRunners
}

/** Commits of this process. */
let made = 0

/** A real bare repository with what a forge keeps beside it. */
export class FakeRepository {
  readonly id: number
  readonly path: string
  readonly dir: string
  readonly owner: FakeUser
  isPrivate: boolean
  /** Login to what they may do here: read, write or admin. */
  readonly collaborators = new Map<string, 'guest' | 'read' | 'write' | 'admin'>()
  readonly pulls: FakePull[] = []
  readonly statuses: FakeStatus[] = []
  readonly hooks: FakeHook[] = []
  /** Its own jobs, and the runners that are registered for them. */
  readonly actions: FakeRunners

  constructor(parts: FakeRepositoryParts) {
    this.id = parts.id
    this.path = parts.path
    this.dir = parts.dir
    this.isPrivate = parts.isPrivate
    this.owner = parts.owner
    this.actions = parts.actions
  }

  static async make(parts: FakeRepositoryParts): Promise<FakeRepository> {
    await mkdir(dirname(parts.dir), { recursive: true })
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', parts.dir])
    // Forges hand out every commit of theirs by its id.
    const settings = ['uploadpack.allowAnySHA1InWant', 'uploadpack.allowReachableSHA1InWant']
    for (const name of settings) {
      await run('git', ['--git-dir', parts.dir, 'config', name, 'true'])
    }
    return new FakeRepository(parts)
  }

  /** Puts a commit of exactly these files on the branch, behind what is there. */
  async commit(files: Readonly<Record<string, string>>, branch = 'main'): Promise<string> {
    const tree = await mkdtemp(join(dirname(this.dir), 'tree-'))
    try {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(tree, path)), { recursive: true })
        await writeFile(join(tree, path), text)
      }
      const inside = ['--work-tree', tree]
      await this.git([...inside, 'add', '--all', '--force', '.'])
      const written = await this.git([...inside, 'write-tree'])
      const before = await this.commitOf(`refs/heads/${branch}`)
      const parents = before === undefined ? [] : ['-p', before]
      // Two of equal files in one second would be one commit, in whichever repositories they are.
      made += 1
      const message = `commit ${made} of ${Object.keys(files).join(', ')}`
      const commit = await this.git(['commit-tree', ...parents, '-m', message, written])
      await this.git(['update-ref', `refs/heads/${branch}`, commit])
      return commit
    } finally {
      await rm(tree, { recursive: true, force: true })
    }
  }

  /** Names a commit; `annotated` makes an object of its own for the tag. */
  async tag(name: string, commit: string, annotated: 'annotated' | 'plain'): Promise<void> {
    const options = annotated === 'annotated' ? ['-a', '-m', name] : []
    await this.git(['tag', ...options, name, commit])
  }

  /** Undefined where there is no such ref or commit. */
  async commitOf(name: string): Promise<string | undefined> {
    try {
      return await this.git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`])
    } catch {
      return undefined
    }
  }

  /** Short name to commit. */
  async refs(prefix: 'refs/heads/' | 'refs/tags/'): Promise<ReadonlyMap<string, string>> {
    const format = '%(refname) %(objectname) %(*objectname)'
    const text = await this.git(['for-each-ref', `--format=${format}`, prefix])
    const refs = new Map<string, string>()
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const [name = '', object = '', peeled = ''] = line.split(' ')
      refs.set(name.slice(prefix.length), peeled === '' ? object : peeled)
    }
    return refs
  }

  async git(args: readonly string[]): Promise<string> {
    const options = { env: { ...process.env, ...ENVIRONMENT } }
    const { stdout } = await run('git', ['--git-dir', this.dir, ...args], options)
    return stdout.trim()
  }
}
