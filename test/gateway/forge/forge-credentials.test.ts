import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { expect, test } from 'vitest'
import { ForgeApis } from '../../../gateway/forge/forge-apis.ts'
import { ForgeCredentials } from '../../../gateway/forge/forge-credentials.ts'
import type { ForgeHttp } from '../../../gateway/forge/forge-http.ts'
import { appWord, InstallationTokens } from '../../../gateway/forge/github-app.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'

const PAIR = generateKeyPairSync('rsa', { modulusLength: 2048 })
const KEY = PAIR.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
const PUBLIC = PAIR.publicKey.export({ type: 'spki', format: 'pem' }).toString()

async function appRig() {
  const rig = await forgeRig('github', { isPrivate: true })
  const { forge, store } = rig
  const clock = new FakeClock()
  forge.world.nowMs = () => clock.wallMs()
  forge.world.apps.set('Iv1.app', PUBLIC)
  await store.set({ name: 'app', kind: 'github-app', app: 'Iv1.app' }, Buffer.from(KEY), 0)
  const credentials = new ForgeCredentials({ store, clock })
  const holder = { ...rig.holder, credential: 'app' }
  const api = new ForgeApis({ credentials, clock }).of(holder)
  if (api === undefined) throw new Error('no API')
  return { ...rig, clock, credentials, holder, api }
}

test('the word of a GitHub App has its id, its times and a signature of its key', () => {
  const word = appWord('Iv1.app', KEY, 1_767_225_600_000)

  const [head = '', claims = '', signature = ''] = word.split('.')
  const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString())
  expect(read(head)).toEqual({ alg: 'RS256', typ: 'JWT' })
  expect(read(claims)).toEqual({ iss: 'Iv1.app', iat: 1_767_225_540, exp: 1_767_226_140 })
  const text = Buffer.from(`${head}.${claims}`)
  const given = Buffer.from(signature, 'base64url')
  expect(verify('RSA-SHA256', text, createPublicKey(PUBLIC), given)).toBe(true)
})

test('a GitHub App asks as its installation, with one token until shortly before its end', async () => {
  const { api, clock, forge, repository } = await appRig()
  const asked = () => forge.seen.filter(({ path }) => path.endsWith('/access_tokens')).length

  expect(await api.repositoryId(noEnd())).toBe(String(repository.id))
  await api.heads(noEnd())
  await clock.advance(54 * 60_000)
  await api.heads(noEnd())
  expect(asked()).toBe(1)
  await clock.advance(2 * 60_000)
  await api.heads(noEnd())
  expect(asked()).toBe(2)
})

test('tokens of so many repositories are kept, and of no more', async () => {
  let asked = 0
  const http = {
    host: 'api.github.example',
    read: async () => ({ id: 7 }),
    call: async () => ({ body: undefined }),
    checked: () => {
      asked += 1
      return { token: `token-${asked}`, expires_at: '2099-01-01T00:00:00Z' }
    }
  } as unknown as ForgeHttp
  const tokens = new InstallationTokens({ wallMs: () => 0 }, 3)
  const ask = (path: string) => tokens.tokenFor('app', http, { path, use: 'all', signal: noEnd() })

  for (const path of ['team/a', 'team/b', 'team/c', 'team/a', 'team/d']) await ask(path)

  expect(tokens.size).toBe(3)
  expect([await ask('team/a'), await ask('team/b')]).toEqual(['token-1', 'token-5'])
})

test("an installation's token is for git, too", async () => {
  const { credentials, holder, forge } = await appRig()

  const access = await credentials.access(holder, noEnd())

  expect(access).toMatchObject({ kind: 'password', user: 'x-access-token' })
  const token = access?.kind === 'password' ? forge.world.tokens.get(access.password) : undefined
  expect(token?.paths).toEqual(['team/kernel'])
})

test('an App whose key GitHub does not know is refused, and tried anew the next time', async () => {
  const { api, forge } = await appRig()
  forge.world.apps.clear()

  const refused = await api.repositoryId(noEnd()).catch((error: unknown) => error)
  expect(codeOf(refused)).toBe('FORGE_REFUSED')
  forge.world.apps.set('Iv1.app', PUBLIC)
  expect(await api.repositoryId(noEnd())).toMatch(/^\d+$/)
})

test('a credential that is named and not there is said to be so; a new one counts at once', async () => {
  const { apis, holder, store, forge } = await forgeRig('gitea', { isPrivate: true })
  const api = apis.of({ ...holder, credential: 'later' })

  const error = await api?.repositoryId(noEnd()).catch((thrown: unknown) => thrown)
  expect(codeOf(error)).toBe('CREDENTIAL_UNKNOWN')
  const token = Buffer.from(forge.world.token('gateway'))
  await store.set({ name: 'later', kind: 'token' }, token, Date.now())
  expect(await api?.repositoryId(noEnd())).toMatch(/^\d+$/)
})

test('an App is for GitHub, and a deploy key for git alone', async () => {
  const { credentials, holder, store } = await forgeRig('gitlab')
  await store.set({ name: 'app', kind: 'github-app', app: '7' }, Buffer.from(KEY), 0)
  await store.set({ name: 'key', kind: 'deploy-key' }, Buffer.from('a key'), 0)
  const app = { ...holder, credential: 'app' }
  const key = { ...holder, credential: 'key' }

  const error = await credentials.authorization(app, noEnd()).catch((thrown: unknown) => thrown)

  expect(codeOf(error)).toBe('CREDENTIAL_INVALID')
  expect(await credentials.authorization(key, noEnd())).toEqual({})
  expect(await credentials.access(key, noEnd())).toEqual({ kind: 'key', key: 'a key' })
})

test("an agent gets of an App a token that reads that repository's contents, and no more", async () => {
  const { credentials, holder, forge } = await appRig()
  const own = await credentials.access(holder, noEnd())

  const given = await credentials.source(holder, noEnd())

  const tokenOf = (password: string) => forge.world.tokens.get(password)
  const theirs = given?.kind === 'password' ? tokenOf(given.password) : undefined
  const ours = own?.kind === 'password' ? tokenOf(own.password) : undefined
  expect([...(theirs?.scopes ?? [])]).toEqual(['read'])
  expect(theirs?.paths).toEqual(['team/kernel'])
  expect(ours?.scopes.has('write')).toBe(true)
})

test('a token is given to agents only where it is named for that', async () => {
  const { credentials, holder, store, forge } = await forgeRig('gitea', { isPrivate: true })
  const read = forge.world.token('reader', ['read'])
  const wanted = { name: 'read', kind: 'token', user: 'deploy' } as const
  await store.set(wanted, Buffer.from(read), 0)

  expect(await credentials.source(holder, noEnd())).toBeUndefined()
  expect(await credentials.source({ ...holder, checkout: 'read' }, noEnd())).toEqual({
    kind: 'password',
    user: 'deploy',
    password: read
  })
})

test('a key is for ssh, and a token for http: nothing else is given', async () => {
  const { credentials, holder, store } = await forgeRig('gitea')
  await store.set({ name: 'key', kind: 'deploy-key' }, Buffer.from('a key'), 0)
  const ssh = { ...holder, url: 'ssh://git@forge.example/team/kernel.git' }

  expect(await credentials.source({ ...ssh, credential: 'key' }, noEnd())).toEqual({
    kind: 'key',
    key: 'a key'
  })
  expect(await credentials.source({ ...holder, checkout: 'key' }, noEnd())).toBeUndefined()
  expect(await credentials.source({ ...ssh, checkout: 'forge' }, noEnd())).toBeUndefined()
  const stranger = { ...holder, credential: undefined }
  expect(await credentials.source(stranger, noEnd())).toBeUndefined()
})
