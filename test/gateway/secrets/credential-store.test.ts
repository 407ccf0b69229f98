import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { CredentialStore } from '../../../gateway/secrets/credential-store.ts'
import { SecretStore } from '../../../gateway/secrets/secret-store.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const TOKEN = 'a-token-that-is-sealed'
const WANTED = { name: 'forge', kind: 'token' } as const

async function rig() {
  const dir = await temporaryFolder()
  const files = {
    file: `${dir}/credentials.json`,
    keyFile: `${dir}/secrets.key`,
    secrets: `${dir}/secrets.json`
  }
  return { files, store: new CredentialStore(files) }
}

async function codeFrom(promise: Promise<unknown>): Promise<string | undefined> {
  return await promise.then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? String(error)
  )
}

test('a credential is sealed in a file of its owner alone, and opens with the key', async () => {
  const { files, store } = await rig()

  const record = await store.set(WANTED, Buffer.from(TOKEN), 0)

  expect((await stat(files.file)).mode & 0o777).toBe(0o600)
  expect(await readFile(files.file, 'utf8')).not.toContain(TOKEN)
  expect((await store.value(record)).toString()).toBe(TOKEN)
  expect(record).toMatchObject({ version: 1, changedAt: '1970-01-01T00:00:00.000Z' })
})

test('another key, another name, an older version and a secret do not open as it', async () => {
  const { files, store } = await rig()
  const first = await store.set(WANTED, Buffer.from(TOKEN), 0)
  const second = await store.set(WANTED, Buffer.from('another one'), 0)
  const secrets = new SecretStore({ file: files.secrets, keyFile: files.keyFile })
  const rules = { events: ['push'], branches: [], images: [] }
  const place = { repository: 'credential', name: 'forge' }
  const secret = await secrets.set(new FakeClock(), place, rules, Buffer.from('of a job'))

  const swapped = [
    { ...second, sealed: first.sealed },
    { ...second, name: 'other' },
    { ...second, version: secret.version, sealed: secret.sealed }
  ]
  for (const record of swapped) {
    expect(await codeFrom(store.value(record))).toBe('CREDENTIAL_UNREADABLE')
  }
  await writeFile(files.keyFile, Buffer.alloc(32, 7), { mode: 0o600 })
  expect(await codeFrom(store.value(second))).toBe('CREDENTIAL_UNREADABLE')
})

test('no new key is made where secrets are sealed with one that is missing', async () => {
  const { files, store } = await rig()
  const secrets = new SecretStore({ file: files.secrets, keyFile: files.keyFile })
  const rules = { events: ['push'], branches: [], images: [] }
  const place = { repository: 'team/kernel', name: 'TOKEN' }
  await secrets.set(new FakeClock(), place, rules, Buffer.from('of a job'))
  await rm(files.keyFile)

  expect(await codeFrom(store.set(WANTED, Buffer.from(TOKEN), 0))).toBe('STATE_ABSENT')
})

test('what is not there, open to others or broken is said to be so', async () => {
  const { files, store } = await rig()

  expect(await store.list()).toEqual([])
  expect(await codeFrom(store.find('forge'))).toBe('CREDENTIAL_UNKNOWN')
  expect(await codeFrom(store.remove('forge'))).toBe('CREDENTIAL_UNKNOWN')
  await store.set(WANTED, Buffer.from(TOKEN), 0)
  await store.remove('forge')
  expect(await store.list()).toEqual([])
  await chmod(files.file, 0o644)
  expect(await codeFrom(store.list())).toBe('KEY_MODE_WIDE')
  await chmod(files.file, 0o600)
  await writeFile(files.file, '{')
  expect(await codeFrom(store.list())).toBe('KEY_INVALID')
})
