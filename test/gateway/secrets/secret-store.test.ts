import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SecretStore } from '../../../gateway/secrets/secret-store.ts'
import {
  SECRET_RETIRED_MAX,
  SECRET_RETIRED_MS_MAX,
  SECRETS_PER_REPOSITORY_MAX
} from '../../../protocol/core/secret-limits.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

const clock = new FakeClock()
const rules = { events: ['push'], branches: [], images: [] }
const place = { repository: 'team/kernel', name: 'NPM_TOKEN' }
const value = Buffer.from('npm_0123456789')

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let file: string
let keyFile: string
let store: SecretStore

beforeEach(async () => {
  folder = await temporaryFolder()
  file = join(folder.dir, 'secrets.json')
  keyFile = join(folder.dir, 'apart.key')
  store = new SecretStore({ file, keyFile })
})

afterEach(() => folder.remove())

async function valueUnder(name: string): Promise<string | undefined> {
  const record = (await store.list()).find((each) => each.name === name)
  return record && (await store.value(record)).toString()
}

test('a value comes back, and is in neither file', async () => {
  await store.set(clock, place, rules, value)

  expect(await valueUnder('NPM_TOKEN')).toBe('npm_0123456789')
  for (const path of [file, keyFile]) {
    expect((await readFile(path)).includes(value)).toBe(false)
    expect((await stat(path)).mode & 0o777, path).toBe(0o600)
  }
})

test('a daemon takes what a command sets and forgets what it removes, at once', async () => {
  const command = new SecretStore({ file, keyFile })
  await command.set(clock, place, rules, value)
  expect(await valueUnder('NPM_TOKEN')).toBe('npm_0123456789')

  const second = await command.set(clock, place, rules, Buffer.from('another one'))
  expect(second.version).toBe(2)
  expect(await valueUnder('NPM_TOKEN')).toBe('another one')

  await command.remove(place)
  expect(await valueUnder('NPM_TOKEN')).toBeUndefined()
  await expect(command.remove(place)).rejects.toMatchObject({ code: 'SECRET_UNKNOWN' })
})

test('a sealed value does not open under another name', async () => {
  await store.set(clock, place, rules, value)
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('NPM_TOKEN', 'NPM_OTHER'))

  await expect(valueUnder('NPM_OTHER')).rejects.toMatchObject({
    code: 'SECRET_UNREADABLE',
    facts: { name: 'NPM_OTHER', file: keyFile }
  })
})

test('without the key that values were set with no new one is made', async () => {
  await store.set(clock, place, rules, value)
  await rm(keyFile)

  const other = { ...place, name: 'OTHER' }
  await expect(store.set(clock, other, rules, value)).rejects.toMatchObject({
    code: 'STATE_ABSENT'
  })
  await expect(valueUnder('NPM_TOKEN')).rejects.toMatchObject({ code: 'STATE_ABSENT' })
})

test('files that others may read are refused, as is a key that is none', async () => {
  await store.set(clock, place, rules, value)
  await chmod(keyFile, 0o640)
  await expect(valueUnder('NPM_TOKEN')).rejects.toMatchObject({ code: 'KEY_MODE_WIDE' })
  await chmod(keyFile, 0o600)
  await writeFile(keyFile, 'short')
  await expect(valueUnder('NPM_TOKEN')).rejects.toMatchObject({ code: 'KEY_INVALID' })
  await chmod(file, 0o604)
  await expect(new SecretStore({ file, keyFile }).list()).rejects.toMatchObject({
    code: 'KEY_MODE_WIDE'
  })
})

test('two commands at once lose nothing, and use one key', async () => {
  const names = ['A_ONE', 'A_TWO', 'A_THREE', 'A_FOUR']
  await Promise.all(
    names.map((name) =>
      new SecretStore({ file, keyFile }).set(clock, { ...place, name }, rules, Buffer.from(name))
    )
  )

  for (const name of names) expect(await valueUnder(name)).toBe(name)
})

test('a repository has a limit of secrets, and others are not counted', async () => {
  const secrets = Array.from({ length: SECRETS_PER_REPOSITORY_MAX }, (_, index) => ({
    ...{ ...place, ...rules, name: `S_${index}`, version: 1 },
    ...{ changedAt: '2026-01-01T00:00:00.000Z', sealed: '' }
  }))
  await writeFile(file, JSON.stringify({ secrets }), { mode: 0o600 })
  await writeFile(keyFile, Buffer.alloc(32, 1), { mode: 0o600 })

  await expect(store.set(clock, place, rules, value)).rejects.toMatchObject({ code: 'OVERLOADED' })
  await store.set(clock, { ...place, repository: 'team/other' }, rules, value)
  await store.set(clock, { ...place, name: 'S_7' }, rules, value)
})

test('no version is given twice, not to a secret that was removed in between', async () => {
  const first = await store.set(clock, place, rules, value)
  await store.remove(place)
  const second = await store.set(clock, place, rules, Buffer.from('another one'))
  const other = await store.set(clock, { ...place, name: 'OTHER' }, rules, value)

  expect([first, second, other].map(({ version }) => version)).toEqual([1, 2, 3])
  // What was sealed before is not taken for what is there now.
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(second.sealed, first.sealed))
  await expect(valueUnder('NPM_TOKEN')).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' })
})

test('a login does not open for another registry, nor as what is no login', async () => {
  await store.set(clock, { ...place, registry: 'registry.example' }, rules, value)
  expect(await valueUnder('NPM_TOKEN')).toBe(value.toString())
  const text = await readFile(file, 'utf8')
  const changed = ['evil.example', undefined].map((registry) => {
    const { secrets, highest } = JSON.parse(text)
    return JSON.stringify({ secrets: [{ ...secrets[0], registry }], highest })
  })
  for (const each of changed) {
    await writeFile(file, each)
    await expect(valueUnder('NPM_TOKEN')).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' })
  }
})

test('a file of an earlier gateway goes on after its highest version', async () => {
  const sealed = { ...place, ...rules, changedAt: '2026-01-01T00:00:00.000Z', sealed: '' }
  const secrets = [4, 9, 2].map((version) => ({ ...sealed, name: `S_${version}`, version }))
  await writeFile(file, JSON.stringify({ secrets }), { mode: 0o600 })
  await writeFile(keyFile, Buffer.alloc(32, 1), { mode: 0o600 })

  expect((await store.set(clock, place, rules, value)).version).toBe(10)
})

test('the values before the last one are kept for a time, and not for ever', async () => {
  const valuesOf = (count: number) => Array.from({ length: count }, (_, index) => `value ${index}`)
  for (const each of valuesOf(SECRET_RETIRED_MAX + 2)) {
    await store.set(clock, place, rules, Buffer.from(each))
  }
  const retired = (await store.list())[0]?.retired ?? []
  const opened = retired.map((each) => store.value({ ...place, ...each }))

  expect((await Promise.all(opened)).map(String)).toEqual(valuesOf(SECRET_RETIRED_MAX + 1).slice(1))
  await clock.advance(SECRET_RETIRED_MS_MAX)
  const last = await store.set(clock, place, rules, value)
  expect(last.retired?.map(({ version }) => version)).toEqual([last.version - 1])
})
