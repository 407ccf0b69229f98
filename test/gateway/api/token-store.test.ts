import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TokenStore } from '../../../gateway/api/token-store.ts'
import { TOKENS_MAX } from '../../../protocol/core/limits.ts'
import { systemRandom } from '../../../protocol/host/random.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

const parts = { clock: new FakeClock(), random: systemRandom() }
const wanted = { name: 'dashboard', scopes: ['read'] }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let file: string
let tokens: TokenStore

beforeEach(async () => {
  folder = await temporaryFolder()
  file = join(folder.dir, 'tokens.json')
  tokens = new TokenStore(file)
})

afterEach(() => folder.remove())

test('a token is found by its text, and its text is nowhere on disk', async () => {
  const { token, record } = await tokens.create(parts, wanted)

  expect(token).toMatch(/^rmt_[\w-]{43}$/)
  expect(await tokens.find(token)).toEqual(record)
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain(token)
  expect(text).not.toContain(token.slice(4))
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('nothing else is found', async () => {
  const { token } = await tokens.create(parts, wanted)

  for (const text of ['', 'rmt_', token.slice(0, -1), `${token}a`, token.toUpperCase()]) {
    expect(await tokens.find(text), text).toBeUndefined()
  }
})

test('a running daemon takes new tokens and refuses revoked ones at once', async () => {
  const daemon = new TokenStore(file)
  expect(await daemon.find('rmt_x')).toBeUndefined()

  const first = await tokens.create(parts, wanted)
  const second = await tokens.create(parts, wanted)
  expect(await daemon.find(first.token)).toEqual(first.record)
  await tokens.revoke(first.record.id)

  expect(await daemon.find(first.token)).toBeUndefined()
  expect(await daemon.find(second.token)).toEqual(second.record)
})

test('a token that is not there cannot be revoked', async () => {
  await expect(tokens.revoke('00000000')).rejects.toMatchObject({
    code: 'TOKEN_UNKNOWN',
    kind: { exit: 4 }
  })
})

test('a token that is revoked while others are made is not good, and no other is lost', async () => {
  const old = await tokens.create(parts, wanted)

  const [, ...made] = await Promise.all([
    new TokenStore(file).revoke(old.record.id),
    ...Array.from({ length: 8 }, () => new TokenStore(file).create(parts, wanted))
  ])

  expect(await new TokenStore(file).find(old.token)).toBeUndefined()
  const ids = made.map(({ record }) => record.id)
  const listed = await new TokenStore(file).list()
  expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(ids))
})

test('a file that others may read, or that is broken, lets nobody in', async () => {
  const { token } = await tokens.create(parts, wanted)
  await chmod(file, 0o604)
  await expect(tokens.find(token)).rejects.toMatchObject({ code: 'KEY_MODE_WIDE' })
  await chmod(file, 0o600)

  await writeFile(file, '{"tokens": [{"id": 1}]}')

  await expect(tokens.find(token)).rejects.toMatchObject({ code: 'KEY_INVALID' })
  await expect(new TokenStore(file).create(parts, wanted)).rejects.toMatchObject({
    code: 'KEY_INVALID'
  })
})

test('there are no more tokens than a request can be compared with', async () => {
  const record = (await tokens.create(parts, wanted)).record
  const many = Array.from({ length: TOKENS_MAX }, (_, index) => ({
    ...record,
    id: index.toString(16).padStart(8, '0')
  }))
  await writeFile(file, JSON.stringify({ tokens: many }))

  await expect(tokens.create(parts, wanted)).rejects.toMatchObject({ code: 'OVERLOADED' })
})
