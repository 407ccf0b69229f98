import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'

const TEST_MS = 60_000
const MODE_TREE = '40000'

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(async () => {
  await rig.close()
})

async function workspaces(): Promise<string[]> {
  return (await readdir(join(rig.root, 'workspaces'))).filter((name) => !name.startsWith('.'))
}

describe('the source of a job', { timeout: TEST_MS }, () => {
  test('is the named commit with its .git, not what the branch has become', async () => {
    const commit = await rig.git.commit({ version: 'old\n' })
    await rig.git.commit({ version: 'new\n' })
    const run = 'cat version .git/HEAD; ls -d .git/objects .git/refs/tags'
    const { lines } = await rig.run({ commit, steps: [{ run }] })

    const text = lines.map((line) => line.text)
    expect(text).toEqual(['old', commit, '.git/objects', '.git/refs/tags'])
    expect(await workspaces()).toEqual([])
  })

  test('keeps links, bits and names as they are', async () => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`
    const commit = await rig.git.commitTree(async (dir) => {
      await writeFile(join(dir, 'tool'), '#!/bin/sh\necho ran\n', { mode: 0o755 })
      await writeFile(join(dir, 'plain'), '', { mode: 0o644 })
      await writeFile(join(dir, '-rf'), 'dash\n')
      await writeFile(join(dir, 'new\nline "quoted" $x'), 'odd\n')
      await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe])]), 'bytes\n')
      await writeFile(join(dir, 'ünïcode ✓'), 'unicode\n')
      await mkdir(join(dir, 'd'.repeat(120)))
      await writeFile(join(dir, long), 'long\n')
      await symlink('tool', join(dir, 'near'))
      await symlink('../../../../etc/passwd', join(dir, 'far'))
      await symlink('/root', join(dir, 'absolute'))
      await symlink('nothing', join(dir, 'dangling'))
    })
    const run = [
      './tool',
      'test -x plain || echo not executable',
      'cat -- -rf',
      'cat "new\nline \\"quoted\\" \\$x"',
      'cat "$(printf \'\\377\\376\')"',
      'cat "ünïcode ✓"',
      `cat ${long}`,
      'for l in near far absolute dangling; do readlink $l; done'
    ].join('\n')
    const { result, lines } = await rig.run({ commit, steps: [{ run }] })

    expect(lines.map((line) => line.text)).toEqual([
      'ran',
      'not executable',
      'dash',
      'odd',
      'bytes',
      'unicode',
      'long',
      'tool',
      '../../../../etc/passwd',
      '/root',
      'nothing'
    ])
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(await workspaces()).toEqual([])
  })

  test('may be large', async () => {
    const commit = await rig.git.commitTree(async (dir) => {
      await writeFile(join(dir, 'large'), Buffer.alloc(8 * 1_048_576, 'x'))
      for (let i = 0; i < 500; i++) await writeFile(join(dir, `file-${i}`), `${i}\n`)
    })
    const { lines } = await rig.run({ commit, steps: [{ run: 'wc -c <large; ls file-* | wc -l' }] })

    expect(lines.map((line) => line.text)).toEqual(['8388608', '500'])
  })

  test('runs no hook and no filter of its own on the host', async () => {
    const trap = join(rig.root, 'trapped')
    const commit = await rig.git.commit({
      '.githooks/post-checkout': { executable: `#!/bin/sh\ntouch ${trap}\n` },
      'hooks/post-checkout': { executable: `#!/bin/sh\ntouch ${trap}\n` },
      '.gitattributes': '* filter=evil\n',
      '.gitconfig': `[core]\n\thooksPath = .githooks\n[filter "evil"]\n\tsmudge = touch ${trap}\n`,
      '.gitmodules': '[submodule "m"]\n\tpath = m\n\turl = ext::sh -c "touch trapped"\n',
      'a.txt': 'text\n'
    })
    const { result } = await rig.run({ commit, steps: [{ run: 'cat a.txt' }] })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(await readdir(rig.root)).not.toContain('trapped')
  })

  test('cannot reach out of the workspace, neither here nor in the box', async () => {
    const blob = await rig.git.git(
      ['--git-dir', rig.git.bare, 'hash-object', '-w', '--stdin'],
      Buffer.from('escaped\n')
    )
    for (const name of ['..', '.git']) {
      const tree = await looseTree(`100644 ${name}/x`, blob)
      const { result } = await rig.run({ commit: await rig.git.commitOf(tree) })

      expect(result, name).toMatchObject({
        outcome: { state: 'errored', reason: 'source_unavailable' }
      })
    }
    expect(await readdir(rig.root)).not.toContain('x')
    expect(await workspaces()).toEqual([])
  })

  test('that would unfold to more files than there may be is refused before it is laid out', async () => {
    let id = await rig.git.git(
      ['--git-dir', rig.git.bare, 'hash-object', '-w', '--stdin'],
      Buffer.from('bomb\n')
    )
    for (let level = 0; level < 7; level++) id = await wide(level === 0 ? '100644' : MODE_TREE, id)
    const { result } = await rig.run({ commit: await rig.git.commitOf(id) })

    expect(result).toMatchObject({ outcome: { reason: 'source_unavailable' } })
    expect(result).toHaveProperty('outcome.message', expect.stringContaining('500000 files'))
  })

  test('that is not to be had: errored, with the cause', async () => {
    const missing = await rig.run({ commit: 'f'.repeat(40) })
    const refused = await rig.run({ url: 'file:///etc' })

    for (const { result } of [missing, refused]) {
      expect(result).toMatchObject({
        outcome: { state: 'errored', reason: 'source_unavailable', exitCode: undefined }
      })
    }
    expect(refused.result).toHaveProperty('outcome.message', expect.stringContaining('refused'))
    expect(await rig.left()).toEqual([])
    expect(await workspaces()).toEqual([])
  })

  test('whose forge is away is left to another host', async () => {
    const { result } = await rig.run({ url: 'git://127.0.0.1:1/repo.git' })

    expect(result).toMatchObject({
      kind: 'interrupted',
      reason: 'source_unavailable',
      fault: 'job',
      userCodeRan: false
    })
    expect(await rig.left()).toEqual([])
    expect(await workspaces()).toEqual([])
  })
})

/** A tree that git itself would not write. */
async function looseTree(entry: string, blob: string): Promise<string> {
  const bytes = Buffer.concat([Buffer.from(`${entry}\0`), Buffer.from(blob, 'hex')])
  return await writeTree(bytes)
}

/** A tree that holds one object ten times. */
async function wide(mode: string, id: string): Promise<string> {
  const entry = (name: number): Buffer =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])
  return await writeTree(Buffer.concat(Array.from({ length: 10 }, (_, name) => entry(name))))
}

async function writeTree(bytes: Buffer): Promise<string> {
  const write = ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin']
  return await rig.git.git(['--git-dir', rig.git.bare, ...write], bytes)
}
