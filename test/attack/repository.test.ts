import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'

const TEST_MS = 60_000
const CANARY = 'of the host alone'
const TREE = '40000'
const SUBMODULE = '160000'
/** Linux takes no path of more than 4 096 characters: 20 names of these are too many. */
const LONG_NAME = 'd'.repeat(250)
const LEVELS = 20

let rig: AttemptRig
let canary: string

beforeAll(async () => {
  rig = await AttemptRig.open()
  canary = join(rig.root, 'canary')
  await writeFile(canary, `${CANARY}\n`)
})

afterAll(async () => {
  await rig.close()
})

/** What lies on the host where it must not: nothing. */
async function strays(): Promise<readonly string[]> {
  const own = new Set(['canary', 'workspaces', 'leases'])
  const sources = await readdir(join(rig.root, 'workspaces'))
  const beside = await readdir(rig.root)
  return [...beside.filter((name) => !own.has(name)), ...sources.filter((name) => name[0] !== '.')]
}

/** Runs a commit's job, and sees to it that the host is as it was. */
async function attack(commit: string, run: string) {
  const { result, lines } = await rig.run({ commit, steps: [{ run }] })
  expect(await strays()).toEqual([])
  expect(await readFile(canary, 'utf8')).toBe(`${CANARY}\n`)
  expect(await rig.left()).toEqual([])
  return { result, said: lines.map(({ text }) => text) }
}

describe("a stranger's repository", { timeout: TEST_MS }, () => {
  test('has links that lead nowhere on the host', async () => {
    const up = `${'../'.repeat(20)}${canary.slice(1)}`
    const commit = await rig.git.commitTree(async (dir) => {
      await symlink(canary, join(dir, 'absolute'))
      await symlink(up, join(dir, 'relative'))
      await symlink(rig.root, join(dir, 'folder'))
      await symlink('/proc/self/root', join(dir, 'root'))
      await symlink('loop', join(dir, 'loop'))
    })
    const paths = ['absolute', 'relative', 'folder/canary', `root${canary}`, 'loop']
    const run = [
      `for path in ${paths.join(' ')}; do cat "$path" 2>/dev/null || echo nothing; done`,
      'for path in absolute relative; do (echo overwritten >"$path") || :; done'
    ].join('\n')
    const { result, said } = await attack(commit, run)

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(said.filter((line) => line === 'nothing')).toHaveLength(paths.length)
    expect(said.join('\n')).not.toContain(CANARY)
  })

  test('has hooks, filters, monitors and submodules, of which the host runs none', async () => {
    const trap = join(rig.root, 'trapped')
    const hook = { executable: `#!/bin/sh\ntouch ${trap}\n` }
    const blob = await rig.git.git(
      ['--git-dir', rig.git.bare, 'hash-object', '-w', '--stdin'],
      Buffer.from(`[submodule "m"]\n\tpath = m\n\turl = ext::sh -c "touch% ${trap}"\n`)
    )
    const plain = await rig.git.commit({
      '.githooks/post-checkout': hook,
      'hooks/post-checkout': hook,
      'hooks/fsmonitor-watchman': hook,
      '.gitattributes': '* filter=evil diff=evil merge=evil\n',
      '.gitconfig': `[filter "evil"]\n\tsmudge = touch ${trap}\n\tprocess = touch ${trap}\n`,
      'a.txt': 'text\n'
    })
    const base = await rig.git.git(['--git-dir', rig.git.bare, 'ls-tree', plain])
    const more = [`100644 blob ${blob}\t.gitmodules`, `${SUBMODULE} commit ${'1'.repeat(40)}\tm`]
    const tree = await rig.git.git(
      ['--git-dir', rig.git.bare, 'mktree', '--missing'],
      Buffer.from(`${[base, ...more].join('\n')}\n`)
    )
    const { result, said } = await attack(
      await rig.git.commitOf(tree),
      'cat a.txt; ls .git/hooks 2>/dev/null | grep -v sample || :; ls m | wc -l'
    )

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(said).toEqual(['text', '0'])
  })

  test('has names that are options, commands and no text at all', async () => {
    const names: Buffer[] = [
      ...['-rf', '--checkpoint-action=exec=sh', '--to-command=sh', '-C', '--owner=0'],
      ...[
        '$(touch trapped)',
        '`touch trapped`',
        '; touch trapped',
        '| sh',
        'a\nb',
        ' ',
        '*',
        '~',
        '%s%n'
      ],
      ...['\u001b]0;title\u0007', 'x'.repeat(255), '.runner-mesh', 'con', '...']
    ].map((name) => Buffer.from(name))
    names.push(Buffer.from([0xff, 0xfe, 0x80]))
    const commit = await rig.git.commitTree(async (dir) => {
      for (const name of names) await writeFile(Buffer.concat([Buffer.from(`${dir}/`), name]), '')
    })
    const { result, said } = await attack(
      commit,
      'set -- * .[!.]* ..?*; echo $#; test ! -e trapped'
    )

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    // With `.git`, which is ours.
    expect(said[0]).toBe(String(names.length + 1))
  })

  test('unfolds to more files than there may be: refused before it is laid out', async () => {
    let id = await blobOf('bomb\n')
    for (let level = 0; level < 7; level++) {
      const mode = level === 0 ? '100644' : TREE
      id = await treeOf(Array.from({ length: 10 }, (_, name) => [mode, String(name), id] as const))
    }
    const { result } = await attack(await rig.git.commitOf(id), 'true')

    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'source_unavailable' } })
  })

  test('is deeper than any path may be: refused, and no host is to blame', async () => {
    let id = await treeOf([['100644', 'f', await blobOf('deep\n')]])
    for (let level = 0; level < LEVELS; level++) id = await treeOf([[TREE, LONG_NAME, id]])
    const { result } = await attack(await rig.git.commitOf(id), 'true')

    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'source_unavailable' } })
  })

  test('writes beside its workspace: refused', async () => {
    const blob = await blobOf('escaped\n')
    for (const name of ['..', '.git', '.GIT', 'git~1']) {
      const inner = await treeOf([['100644', 'config', blob]])
      const tree = await treeOf([[TREE, name, inner]])
      const { result } = await attack(await rig.git.commitOf(tree), 'true')

      expect(result, name).toMatchObject({
        outcome: { state: 'errored', reason: 'source_unavailable' }
      })
    }
  })
})

async function blobOf(text: string): Promise<string> {
  const write = ['hash-object', '-w', '--stdin']
  return await rig.git.git(['--git-dir', rig.git.bare, ...write], Buffer.from(text))
}

/** A tree of whatever entries: git itself would not write all of them. */
async function treeOf(entries: readonly (readonly [mode: string, name: string, id: string])[]) {
  const bytes = entries.flatMap(([mode, name, id]) => [
    Buffer.from(`${mode} ${name}\0`),
    Buffer.from(id, 'hex')
  ])
  const write = ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin']
  return await rig.git.git(['--git-dir', rig.git.bare, ...write], Buffer.concat(bytes))
}
