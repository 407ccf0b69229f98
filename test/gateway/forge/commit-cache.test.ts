import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { changedPaths } from '../../../gateway/forge/changed-paths.ts'
import { CommitCache } from '../../../gateway/forge/commit-cache.ts'
import type { RepositoryRef } from '../../../gateway/ports.ts'
import { codeOf, MeshError } from '../../../protocol/core/errors.ts'
import { CHANGED_PATHS_MAX } from '../../../protocol/core/intake-limits.ts'
import { CACHE_FETCHES_MAX, PIPELINE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { PIPELINE, temporaryFolder } from '../../support/gateway-rig.ts'
import { GitFixture } from '../../support/git-fixture.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

let forge: GitFixture
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let cache: CommitCache

beforeEach(async () => {
  folder = await temporaryFolder()
  forge = await GitFixture.serve()
  cache = new CommitCache({ log: silentLog() }, { dir: folder.dir })
})

afterEach(async () => {
  await forge.stop()
  await folder.remove()
})

const signal = new AbortController().signal

function read(commit: string, url = forge.url) {
  return cache.read({ name: 'team/kernel', url }, commit, signal)
}

async function textOf(commit: string): Promise<string> {
  const { pipeline } = await read(commit)
  return pipeline.kind === 'found' ? new TextDecoder().decode(pipeline.bytes) : pipeline.kind
}

/** A commit of main's tree under another message. */
async function commitWith(message: string): Promise<string> {
  const inBare = ['--git-dir', forge.bare]
  const tree = await forge.git([...inBare, 'rev-parse', 'main^{tree}'])
  const commit = await forge.git([...inBare, 'commit-tree', '-m', message, tree])
  await forge.git([...inBare, 'update-ref', 'refs/heads/other', commit])
  return commit
}

test('the pipeline file is read as it is at each commit, older ones too', async () => {
  const first = await forge.commit({ '.runner-mesh.yml': PIPELINE, 'src/a.c': 'int a;' })
  const second = await forge.commit({ '.runner-mesh.yml': 'second: true\n' })

  expect(await textOf(second)).toBe('second: true\n')
  expect(await textOf(first)).toBe(PIPELINE)
  expect(await readdir(folder.dir)).toHaveLength(1)
})

test('the title is the first line of the message, cut and without control characters', async () => {
  await forge.commit({ a: 'b' })

  const title = async (message: string) => (await read(await commitWith(message))).title

  expect(await title('sched: fix wakeup\n\nlong story')).toBe('sched: fix wakeup')
  expect(await title(`\u001b[31mred\u202e ${'é'.repeat(200)}`)).toMatch(/^\[31mred {2}é{111,112}$/)
  expect(await title('👍'.repeat(100))).toBe('👍'.repeat(60))
})

test('a file that is absent, a link, a folder or too large is told apart', async () => {
  const kinds = []
  for (const files of [
    { 'readme.md': 'x' },
    { '.runner-mesh.yml': { link: '/etc/passwd' } },
    { '.runner-mesh.yml/a': 'x' },
    { '.runner-mesh.yml': 'x'.repeat(PIPELINE_BYTES_MAX + 1) },
    { '.runner-mesh.yml': 'x'.repeat(PIPELINE_BYTES_MAX) }
  ]) {
    const { pipeline } = await read(await forge.commit(files))
    kinds.push(pipeline.kind === 'unusable' ? pipeline.problem : pipeline.kind)
  }

  const large = `it has ${PIPELINE_BYTES_MAX + 1} bytes, at most ${PIPELINE_BYTES_MAX} are allowed`
  const noFile = 'it is no regular file'
  expect(kinds).toEqual(['absent', noFile, noFile, large, 'found'])
})

test('several commits of one repository at once do not get into each other', async () => {
  const commits: string[] = []
  for (let number = 0; number < 4; number += 1) {
    commits.push(await forge.commit({ '.runner-mesh.yml': `number: ${number}\n` }))
  }

  const texts = await Promise.all(commits.map(textOf))

  expect(texts).toEqual(commits.map((_, number) => `number: ${number}\n`))
})

test('a commit that is not there, a forge that is down and a file URL are refused', async () => {
  await forge.commit({ a: 'b' })
  const absent = 'd'.repeat(40)

  const codes = []
  for (const attempt of [
    () => read(absent),
    () => read('main'),
    () => read(absent, 'git://127.0.0.1:1/x.git'),
    () => read(absent, `file://${forge.bare}`)
  ]) {
    codes.push(await attempt().catch(codeOf))
  }

  const failed = 'WORKSPACE_FETCH_FAILED'
  expect(codes).toEqual([failed, failed, failed, 'URL_REFUSED'])
})

test('a cache that a kill left half written is made anew', async () => {
  const first = await forge.commit({ '.runner-mesh.yml': PIPELINE })
  await textOf(first)
  const [name = ''] = await readdir(folder.dir)
  const second = await forge.commit({ '.runner-mesh.yml': 'second: true\n' })
  await writeFile(join(folder.dir, name, 'shallow.lock'), '')

  const error = await read(second).catch((thrown: unknown) => thrown)

  expect(error).toBeInstanceOf(MeshError)
  expect(await textOf(second)).toBe('second: true\n')
})

test('a cache that has served for long is made anew by itself', async () => {
  const commit = await forge.commit({ '.runner-mesh.yml': PIPELINE })
  const old = new CommitCache({ log: silentLog() }, { dir: folder.dir, fetchesMax: 2 })
  const repository = { name: 'team/kernel', url: forge.url }
  for (let count = 0; count < 2; count += 1) await old.read(repository, commit, signal)
  const [name = ''] = await readdir(folder.dir)
  await writeFile(join(folder.dir, name, 'mark'), '')

  await old.read(repository, commit, signal)

  expect(await readdir(join(folder.dir, name))).not.toContain('mark')
  expect(CACHE_FETCHES_MAX).toBeGreaterThan(2)
})

/** Reads that come to a look at the size, and a mark in the cache that they filled. */
async function fill(filled: CommitCache, commit: string): Promise<void> {
  const repository = { name: 'team/kernel', url: forge.url }
  for (let count = 0; count < 16; count += 1) await filled.read(repository, commit, signal)
  await mark()
}

async function mark(): Promise<void> {
  const [name = ''] = await readdir(folder.dir)
  await writeFile(join(folder.dir, name, 'mark'), '')
}

async function hasMark(): Promise<boolean> {
  const [name] = await readdir(folder.dir)
  return name !== undefined && (await readdir(join(folder.dir, name))).includes('mark')
}

test.each([
  ['that has grown too large is made anew', 1, false],
  ['that may be that large stays', 1_048_576, true]
])('a cache %s', async (_name, bytesMax, stays) => {
  const commit = await forge.commit({ '.runner-mesh.yml': PIPELINE })
  const sized = new CommitCache({ log: silentLog() }, { dir: folder.dir, bytesMax })
  await fill(sized, commit)

  const { pipeline } = await sized.read({ name: 'r', url: forge.url }, commit, signal)

  expect(pipeline.kind).toBe('found')
  expect(await hasMark()).toBe(stays)
})

test.each([
  ['does not have the commit', () => read('d'.repeat(40)), /not our ref/],
  [
    'is down',
    async (commit: string) => {
      await forge.stop()
      return await read(commit)
    },
    /unable to connect|connection refused/i
  ]
])('a forge that %s does not cost the cache', async (_name, fail, cause) => {
  const commit = await forge.commit({ '.runner-mesh.yml': PIPELINE })
  await textOf(commit)
  await mark()

  await expect(fail(commit)).rejects.toThrow(cause)

  expect(await hasMark()).toBe(true)
})

test('caches of repositories that are not declared any more are removed', async () => {
  const commit = await forge.commit({ '.runner-mesh.yml': PIPELINE })
  await textOf(commit)
  await mkdir(join(folder.dir, 'stray'))
  const before = await readdir(folder.dir)

  await cache.prune([forge.url])
  const kept = await readdir(folder.dir)
  await cache.prune([])

  expect([before.length, kept.length]).toEqual([2, 1])
  expect(await readdir(folder.dir)).toEqual([])
  expect(await textOf(commit)).toBe(PIPELINE)
})

test('a fetch that is called off ends at once', async () => {
  const controller = new AbortController()
  controller.abort()
  const commit = await forge.commit({ '.runner-mesh.yml': PIPELINE })

  const reading = cache.read({ name: 'r', url: forge.url }, commit, controller.signal)

  await expect(reading).rejects.toMatchObject({ code: 'WORKSPACE_FETCH_FAILED' })
})

/** A commit on top of `parents` with exactly these files, at `ref`. */
async function commitAt(ref: string, files: Record<string, string>, ...parents: string[]) {
  const main = await forge.commit(files)
  const inBare = ['--git-dir', forge.bare]
  const tree = await forge.git([...inBare, 'rev-parse', `${main}^{tree}`])
  const behind = parents.flatMap((parent) => ['-p', parent])
  const commit = await forge.git([...inBare, 'commit-tree', '-m', ref, ...behind, tree])
  await forge.git([...inBare, 'update-ref', ref, commit])
  return commit
}

const repository = (): RepositoryRef => ({ name: 'team/kernel', url: forge.url })

test('the file of a branch is that of its newest commit, whenever it is asked for', async () => {
  await commitAt('refs/heads/dev', { '.runner-mesh.yml': 'first: true' })
  const before = await cache.readBranch(repository(), 'dev', signal)
  await commitAt('refs/heads/dev', { '.runner-mesh.yml': 'second: true' })
  const after = await cache.readBranch(repository(), 'dev', signal)

  const texts = [before, after].map(({ pipeline }) => {
    return pipeline.kind === 'found' ? new TextDecoder().decode(pipeline.bytes) : pipeline.kind
  })
  expect(texts).toEqual(['first: true', 'second: true'])
})

test.each(['absent', '--upload-pack=touch', 'a b', '../x', ''])(
  'branch %j, which is not there, is refused',
  async (branch) => {
    await forge.commit({ a: 'b' })

    const read = cache.readBranch(repository(), branch, signal)

    await expect(read).rejects.toMatchObject({ code: 'WORKSPACE_FETCH_FAILED' })
  }
)

describe('changed paths', () => {
  test('of a push are those that differ, with both names of a renamed file', async () => {
    const before = await forge.commit({ kept: '1', 'src/old name.c': 'int a;', gone: 'x' })
    const after = await forge.commit({ kept: '1', 'src/new\nname.c': 'int a;', 'ä/b': 'y' })

    const paths = await cache.changedPaths(repository(), { kind: 'push', before, after }, signal)

    expect(new Set(paths)).toEqual(new Set(['src/old name.c', 'src/new\nname.c', 'gone', 'ä/b']))
  })

  test('of a new ref, of a commit that is gone, and of too many are not known', async () => {
    const before = await forge.commit({ a: 'b' })
    const after = await forge.commit({ a: 'c' })
    const pathsOf = (change: Partial<Record<'before' | 'after', string>>) =>
      cache.changedPaths(repository(), { kind: 'push', before, after, ...change }, signal)
    const many = Object.fromEntries(
      Array.from({ length: CHANGED_PATHS_MAX + 1 }, (_, index) => [`f/${index}`, ''])
    )
    const full = await forge.commit(many)

    expect(await pathsOf({ before: '0'.repeat(40) })).toBeUndefined()
    expect(await pathsOf({ before: 'd'.repeat(40) })).toBeUndefined()
    expect(await pathsOf({ after: full })).toBeUndefined()
    expect(await pathsOf({})).toEqual(['a'])
  })

  test('of a pull request are its own, not those of its base since they parted', async () => {
    const root = await commitAt('refs/heads/dev', { base: '1', fix: '1' })
    const head = await commitAt('refs/pull/7/head', { base: '1', fix: '2' }, root)
    await commitAt('refs/heads/dev', { base: '2', fix: '1' }, root)

    const change = { kind: 'pull_request', base: 'dev', head } as const
    const paths = await cache.changedPaths(repository(), change, signal)

    expect(paths).toEqual(['fix'])
  })

  test('of a pull request that has no commit in common with its base are not known', async () => {
    await commitAt('refs/heads/dev', { base: '1' })
    const head = await commitAt('refs/pull/7/head', { other: '1' })

    const change = { kind: 'pull_request', base: 'dev', head } as const

    expect(await cache.changedPaths(repository(), change, signal)).toBeUndefined()
  })

  test('of a tree with more folders than anyone could walk through are not known', async () => {
    const before = await forge.commit({ a: 'b' })
    const inBare = ['--git-dir', forge.bare]
    let tree = await forge.git([...inBare, 'mktree'], new Uint8Array())
    for (let depth = 0; depth < 12; depth += 1) {
      const rows = Array.from({ length: 10 }, (_, name) => `040000 tree ${tree}\t${name}\n`)
      tree = await forge.git([...inBare, 'mktree'], Buffer.from(rows.join('')))
    }
    const after = await forge.commitOf(tree)
    const dir = join(folder.dir, 'many')
    await forge.git(['init', '--quiet', '--bare', dir])

    const paths = await changedPaths({
      url: forge.url,
      change: { kind: 'push', before, after },
      refs: ['refs/cache/0', 'refs/cache/1'],
      options: { cwd: dir },
      access: undefined,
      lookMs: 500
    })

    expect(paths).toBeUndefined()
  })

  test('of a forge that is down are asked for again', async () => {
    const before = await forge.commit({ a: 'b' })
    const after = await forge.commit({ a: 'c' })
    await forge.stop()

    const asked = cache.changedPaths(repository(), { kind: 'push', before, after }, signal)

    await expect(asked).rejects.toMatchObject({ code: 'WORKSPACE_FETCH_FAILED' })
  })
})
