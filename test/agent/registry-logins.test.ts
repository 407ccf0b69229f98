import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { readLogins } from '../../agent/registry-logins.ts'
import { temporaryFolder } from '../support/store-folder.ts'

let file: string
beforeEach(async () => {
  file = join(await temporaryFolder(), 'logins.json')
})

const holds = (text: string) => writeFile(file, text, { mode: 0o600 })

test('logins are known by the hosts of their registries', async () => {
  await holds('{ "registry.example:5000": { "user": "ci", "password": "hunter22" } }')

  expect([...(await readLogins(file)).values()]).toEqual([
    { registry: 'registry.example:5000', user: 'ci', password: 'hunter22' }
  ])
  expect((await readLogins(undefined)).size).toBe(0)
})

test('a host in capitals is the same host', async () => {
  await holds('{ "Registry.Example:5000": { "user": "ci", "password": "hunter22" } }')

  expect([...(await readLogins(file))]).toEqual([
    [
      'registry.example:5000',
      { registry: 'registry.example:5000', user: 'ci', password: 'hunter22' }
    ]
  ])
})

test('a file that others may read is refused', async () => {
  await holds('{}')
  await chmod(file, 0o640)
  await expect(readLogins(file)).rejects.toMatchObject({ code: 'KEY_MODE_WIDE' })
})

test.each([
  ['hunter22', 'no JSON document'],
  ['{ "registry.example": "hunter22" }', 'expected object'],
  [
    '{ "https://registry.example": { "user": "ci", "password": "hunter22" } }',
    'https://registry.example'
  ]
])('%s is refused, and its passwords are not shown', async (text, words) => {
  await holds(text)
  const refused = await readLogins(file).catch((error: unknown) => error)

  expect(refused).toMatchObject({ code: 'KEY_INVALID' })
  expect(String(refused)).toContain(words)
  expect(String(refused)).not.toContain('hunter22')
})
