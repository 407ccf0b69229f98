import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadGatewaySettings, type RepositorySettings } from '../../gateway/config.ts'
import { addRepository } from '../../gateway/config-edit.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let file: string

beforeEach(async () => {
  folder = await temporaryFolder()
  file = join(folder.dir, 'gateway.yaml')
})

afterEach(() => folder.remove())

const entry = (name: string): RepositorySettings => ({
  name,
  forge: 'git',
  url: `git://host/${name}.git`,
  secret_file: '/etc/secret',
  branches: ['main']
})

async function names(): Promise<string[]> {
  const { values } = await loadGatewaySettings({ file, fileRequired: true, flags: {}, env: {} })
  return values.repositories.map(({ name }) => name)
}

test('a repository is added to a file that is not there yet', async () => {
  await addRepository(file, entry('a'))
  await addRepository(file, entry('b'))

  expect(await names()).toEqual(['a', 'b'])
})

test('repositories that are added at one time are all there', async () => {
  const added = Array.from({ length: 8 }, (_, index) => `team/${index}`)

  await Promise.all(added.map((name) => addRepository(file, entry(name))))

  expect(new Set(await names())).toEqual(new Set(added))
})

test('comments, order and the other settings stay as they are', async () => {
  const text = [
    '# our gateway',
    'http: { port: 8471 } # behind nginx',
    '',
    'repositories:',
    '  # the kernel',
    '  - name: a',
    '    url: git://host/a.git # mirror',
    '    secret_file: a.secret',
    '',
    '# the end',
    'gossip: false',
    ''
  ]
  await writeFile(file, text.join('\n'))

  await addRepository(file, entry('b'))

  const after = await readFile(file, 'utf8')
  for (const line of text) expect(after).toContain(line)
  expect(after.indexOf('# the end')).toBeGreaterThan(after.indexOf('name: b'))
  expect(await names()).toEqual(['a', 'b'])
})

test.each(['repositories: []\n', 'repositories:\n', 'name: x\n', '# nothing yet\n'])(
  'an empty list in the form %j is filled',
  async (text) => {
    await writeFile(file, text)

    await addRepository(file, entry('a'))

    expect(await names()).toEqual(['a'])
  }
)

test.each([
  ['repositories: 3\n', entry('a')],
  ['- a\n', entry('a')],
  ['name: [\n', entry('a')],
  ['nmae: x\n', entry('a')],
  ['', { ...entry('a'), url: 'file:///x' }]
])('the file %j stays as it was where the result would be refused', async (text, added) => {
  await writeFile(file, text)

  await expect(addRepository(file, added)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })

  expect(await readFile(file, 'utf8')).toBe(text)
})

test('a name that is declared is not declared again', async () => {
  await addRepository(file, entry('a'))

  await expect(addRepository(file, entry('a'))).rejects.toThrow(/name a is declared twice/)
})
