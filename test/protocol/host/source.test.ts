import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GitError, git } from '../../../protocol/host/git.ts'
import { checkUrl, fetchCommit } from '../../../protocol/host/source.ts'
import { GitFixture } from '../../support/git-fixture.ts'
import { serveOldGit } from '../../support/old-git-server.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-source-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test.each([
  'file:///etc',
  'ext::sh -c id',
  '/srv/git/x.git',
  'git@host:team/x.git',
  'https://user:password@host/x.git',
  'git://-oProxyCommand=id/x.git',
  'javascript:1',
  '--upload-pack=id',
  ''
])('the URL %j is refused', (url) => {
  expect(() => checkUrl(url)).toThrow(expect.objectContaining({ code: 'URL_REFUSED' }))
})

test('a refused URL never shows its password', () => {
  expect(() => checkUrl('https://user:hunter22@host/x.git')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('hunter22') })
  )
})

test.each(['https://host/x.git', 'http://host:3000/x', 'ssh://git@host/x.git', 'git://h/x.git'])(
  'the URL %s is taken',
  (url) => {
    expect(checkUrl(url).href).toBe(url)
  }
)

test('git itself refuses the transports that the URL check refuses', async () => {
  for (const url of [`file://${dir}`, dir, 'ext::id']) {
    await expect(git(['ls-remote', url])).rejects.toThrow(/not allowed/)
  }
})

test('a command that takes too long is ended with all its children', async () => {
  const endless = git(['-c', 'alias.wait=!sleep 600', 'wait'], { timeoutMs: 200 })

  await expect(endless).rejects.toMatchObject({ timedOut: true })
  await expect(endless).rejects.toBeInstanceOf(GitError)
})

test('an aborted command ends', async () => {
  const stop = new AbortController()
  const running = git(['-c', 'alias.wait=!sleep 600', 'wait'], { signal: stop.signal })
  stop.abort()

  await expect(running).rejects.toBeInstanceOf(GitError)
})

test('settings of the person who starts the daemon do not reach git', async () => {
  process.env['GIT_CONFIG_COUNT'] = '1'
  process.env['GIT_CONFIG_KEY_0'] = 'user.name'
  process.env['GIT_CONFIG_VALUE_0'] = 'leaked'
  try {
    await expect(git(['config', '--get', 'user.name'])).rejects.toBeInstanceOf(GitError)
  } finally {
    for (const name of ['COUNT', 'KEY_0', 'VALUE_0']) delete process.env[`GIT_CONFIG_${name}`]
  }
})

test('only a full commit id is fetched, so a branch name can never stand in for it', async () => {
  for (const commit of ['main', 'HEAD', '0123', `--upload-pack=id`, `${'a'.repeat(40)} x`]) {
    const source = { url: 'git://127.0.0.1:1/x.git', commit, dir }
    await expect(fetchCommit(source), commit).rejects.toThrow('no full commit id')
  }
})

describe('a server that gives no commit by its id', () => {
  let forge: GitFixture
  let old: Awaited<ReturnType<typeof serveOldGit>>
  beforeEach(async () => {
    forge = await GitFixture.serve()
    old = await serveOldGit(forge.bare)
  })
  afterEach(async () => {
    old.stop()
    await forge.stop()
  })

  /** Two commits of one ref, of which the server names the second alone. */
  async function twoCommits(ref: string): Promise<readonly [string, string]> {
    const inBare = ['--git-dir', forge.bare]
    const tree = await forge.git([...inBare, 'mktree'])
    const first = await forge.git([...inBare, 'commit-tree', '-m', '1', tree])
    const second = await forge.git([...inBare, 'commit-tree', '-m', '2', '-p', first, tree])
    await forge.git([...inBare, 'update-ref', ref, second])
    return [first, second]
  }

  test.each(['refs/pull/7/head', 'refs/merge-requests/7/head', 'refs/tags/v1'])(
    'is asked for %s, behind which it is',
    async (ref) => {
      const [first] = await twoCommits(ref)

      await expect(fetchCommit({ url: old.url, commit: first, dir })).rejects.toThrow(
        /unadvertised object/
      )
      await fetchCommit({ url: old.url, commit: first, ref, dir })

      const { stdout } = await git(['cat-file', '-t', first], { cwd: dir })
      expect(Buffer.from(stdout).toString()).toBe('commit\n')
    }
  )

  test('has a commit no more once its ref was pushed over', async () => {
    const ref = 'refs/pull/7/head'
    const [first] = await twoCommits('refs/pull/8/head')
    await twoCommits('refs/heads/main')
    const tree = await forge.git(['--git-dir', forge.bare, 'mktree'])
    const other = await forge.git(['--git-dir', forge.bare, 'commit-tree', '-m', '3', tree])
    await forge.git(['--git-dir', forge.bare, 'update-ref', ref, other])
    await forge.git(['--git-dir', forge.bare, 'update-ref', '-d', 'refs/pull/8/head'])
    await forge.git(['--git-dir', forge.bare, 'update-ref', '-d', 'refs/heads/main'])

    await expect(fetchCommit({ url: old.url, commit: first, ref, dir })).rejects.toThrow(
      'refs/pull/7/head does not lead to it any more'
    )
  })
})
