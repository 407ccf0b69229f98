import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayProgram } from '../../../gateway/cli/program.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

async function* inputOf(text: string) {
  yield text
}

async function rig() {
  const state = join(await temporaryFolder(), 'gateway')
  const run = async (stdin: string, ...args: readonly string[]) => {
    const said = { out: '', err: '', code: undefined as string | undefined }
    const stdout = { write: (text: string) => (said.out += text) }
    const stderr = { write: (text: string) => (said.err += text) }
    const program = gatewayProgram({ env: {}, stdout, stderr, stdin: inputOf(stdin) })
    const words = ['node', 'gateway', 'credential', ...args, '--state', state]
    await program.parseAsync(words).catch((error: unknown) => {
      said.code = codeOf(error) ?? String(error)
    })
    return said
  }
  return { state, run }
}

test('a token is set from standard input, listed without its value, and removed', async () => {
  const { state, run } = await rig()

  const set = await run('a-token-of-mine\n', 'set', 'forge', '--user', 'robot')
  const list = await run('', 'list')
  const json = await run('', 'list', '--json')

  expect(set).toMatchObject({ code: undefined, err: 'credential forge set, version 1\n' })
  expect(list.out).toMatch(/^forge {3}token {3}v1 {3}\S+ {3}user robot\n$/)
  expect(JSON.parse(json.out)).toMatchObject({
    schema: 'gateway.credentials/1',
    credentials: [{ name: 'forge', kind: 'token', version: 1 }]
  })
  const kept = await readFile(join(state, 'credentials.json'), 'utf8')
  expect(`${kept}${set.err}${list.out}${json.out}`).not.toContain('a-token-of-mine')
  expect((await run('', 'remove', 'forge')).code).toBeUndefined()
  expect((await run('', 'remove', 'forge')).code).toBe('CREDENTIAL_UNKNOWN')
})

test('a GitHub App has an id and an RSA key, a deploy key is a private key', async () => {
  const { run } = await rig()
  const pem = { type: 'pkcs8', format: 'pem' } as const
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem).toString()
  const ed = generateKeyPairSync('ed25519').privateKey.export(pem).toString()
  const app = ['set', 'app', '--kind', 'github-app']
  const key = ['set', 'key', '--kind', 'deploy-key']

  expect((await run(rsa, ...app, '--app', 'Iv1.x')).code).toBeUndefined()
  expect((await run(rsa, ...app)).code).toBe('USAGE')
  expect((await run(ed, ...app, '--app', 'Iv1.x')).code).toBe('CREDENTIAL_INVALID')
  expect((await run(ed, ...key)).code).toBeUndefined()
  expect((await run('ssh-ed25519 AAAA', ...key)).code).toBe('CREDENTIAL_INVALID')
})

test.each([
  [['set', 'a b'], 'word', 'USAGE'],
  [['set', 'x', '--app', '7'], 'word', 'USAGE'],
  [['set', 'x', '--user', 'a:b'], 'word', 'USAGE'],
  [['set', 'x'], 'two words', 'CREDENTIAL_INVALID'],
  [['set', 'x'], '', 'CREDENTIAL_INVALID'],
  [['set', 'x'], 'x'.repeat(20_000), 'CREDENTIAL_INVALID']
])('%j with %j is refused', async (args, stdin, code) => {
  const { run } = await rig()

  expect((await run(stdin, ...args)).code).toBe(code)
  expect((await run('', 'list')).out).toBe('')
})
