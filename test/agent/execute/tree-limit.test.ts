import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TreeCount, treeProblem } from '../../../agent/execute/tree-limit.ts'
import { CHECKOUT_BYTES_MAX, CHECKOUT_FILES_MAX } from '../../../protocol/core/limits.ts'
import { git } from '../../../protocol/host/git.ts'

const NEVER = new AbortController().signal
const ID = 'a'.repeat(40)

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-tree-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** The tree of one file. */
async function tree(): Promise<string> {
  await git(['init', '--quiet', dir])
  const hash = ['--git-dir', join(dir, '.git'), 'hash-object', '-w', '--stdin']
  const blob = await git(hash, { stdin: Buffer.from('text\n') })
  const id = Buffer.from(blob.stdout).toString('utf8').trim()
  const stdin = Buffer.from(`100644 blob ${id}\tfile\n`)
  const made = await git(['--git-dir', join(dir, '.git'), 'mktree'], { stdin })
  return Buffer.from(made.stdout).toString('utf8').trim()
}

describe('a tree', () => {
  test('within the limits is no problem, whatever the daemon was started with', async () => {
    const commit = await tree()
    process.env['GIT_OBJECT_DIRECTORY'] = '/nowhere'
    try {
      expect(await treeProblem({ dir, commit, signal: NEVER })).toBeUndefined()
    } finally {
      delete process.env['GIT_OBJECT_DIRECTORY']
    }
  })

  test('that is not there cannot be listed', async () => {
    await tree()

    expect(await treeProblem({ dir, commit: ID, signal: NEVER })).toMatch(/cannot be listed/)
  })

  test('is not looked for in the folders above', async () => {
    const commit = await tree()
    const below = await mkdtemp(join(dir, 'below-'))

    expect(await treeProblem({ dir: below, commit, signal: NEVER })).toMatch(/cannot be listed/)
  })

  test('is no longer counted once nobody wants to know', async () => {
    const commit = await tree()
    const signal = AbortSignal.abort('enough')

    await expect(treeProblem({ dir, commit, signal })).rejects.toBe('enough')
  })
})

describe('the count', () => {
  const record = (size: string): Buffer => Buffer.from(`100644 blob ${ID} ${size}\tname\0`)

  test('is of records, wherever a chunk ends', () => {
    const count = new TreeCount()
    const bytes = Buffer.concat([record('      5'), record('     12'), record('      -')])
    for (const byte of bytes) expect(count.push(Buffer.from([byte]))).toBeUndefined()

    expect([count.files, count.bytes]).toEqual([3, 17])
  })

  test('says what there is too much of', () => {
    const files = new TreeCount()
    files.files = CHECKOUT_FILES_MAX
    const bytes = new TreeCount()

    expect(files.push(record('1'))).toContain('files')
    expect(bytes.push(record(String(CHECKOUT_BYTES_MAX)))).toBeUndefined()
    expect(bytes.push(record('1'))).toContain('bytes')
  })
})
