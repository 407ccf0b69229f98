import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CommanderError } from 'commander'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TokenStore } from '../../../gateway/api/token-store.ts'
import { gatewayProgram } from '../../../gateway/cli/program.ts'
import { secretProblem } from '../../../gateway/hooks/standard-webhook.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const AUTHORITY = generateKey().peerId

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let state: string

beforeEach(async () => {
  folder = await temporaryFolder()
  state = join(folder.dir, 'gateway')
})

afterEach(() => folder.remove())

interface Said {
  out: string
  err: string
  /** What the command rejected with. */
  error: unknown
}

async function gateway(...args: readonly string[]): Promise<Said> {
  return await gatewayWith(undefined, ...args)
}

async function gatewayWith(stdin: string | undefined, ...args: readonly string[]): Promise<Said> {
  const said: Said = { out: '', err: '', error: undefined }
  const stdout = { write: (text: string) => (said.out += text) }
  const stderr = { write: (text: string) => (said.err += text) }
  const program = gatewayProgram({ env: {}, stdout, stderr, stdin: inputOf(stdin) })
  said.error = await program
    .parseAsync(['node', 'gateway', ...args, '--state', state])
    .then(() => undefined)
    .catch((error: unknown) => error)
  return said
}

async function* inputOf(text = '') {
  yield text
}

test('id makes key and store, pins the authority, and gives the same ids again', async () => {
  const first = await gateway('id', '--authority', AUTHORITY)
  const again = await gateway('id', '--authority', AUTHORITY, '--json')

  expect(first.out).toMatch(/^12D3\w+\/[0-9a-f]{32}\n$/)
  const { schema, peerId, storeId } = JSON.parse(again.out)
  expect([schema, `${peerId}/${storeId}\n`]).toEqual(['gateway.id/1', first.out])
  expect((await stat(join(state, 'gateway.key'))).mode & 0o777).toBe(0o600)
  expect((await readFile(join(state, 'authority'), 'utf8')).trim()).toBe(AUTHORITY)
  const other = await gateway('id', '--authority', generateKey().peerId)
  expect(other.error).toMatchObject({ code: 'STATE_BOUND' })
})

test('a token is good for what those of lesser scopes are, too', async () => {
  for (const [scope, scopes] of [
    ['write', ['read', 'write']],
    ['trusted', ['read', 'write', 'trusted']]
  ] as const) {
    const made = await gateway('token', 'create', '--scope', scope, '--json')

    expect(JSON.parse(made.out)).toMatchObject({ scopes })
  }
})

test('token create prints a token that works, alone on standard output', async () => {
  const made = await gateway('token', 'create', '--scope', 'read', '--name', 'dashboard')
  const token = made.out.trim()

  expect(made.out).toBe(`${token}\n`)
  const tokens = new TokenStore(join(state, 'tokens.json'))
  expect(await tokens.find(token)).toMatchObject({ name: 'dashboard', scopes: ['read'] })
  const listed = await gateway('token', 'list')
  const id = /^([0-9a-f]{8}) {3}read {3}\S+ {3}dashboard\n$/.exec(listed.out)?.[1] ?? ''
  expect(made.err).toContain(id)
  const json = (await gateway('token', 'list', '--json')).out
  expect(json).not.toContain('sha256')
  expect(json).not.toContain(token)
  expect((await gateway('token', 'revoke', id)).error).toBeUndefined()
  expect(await tokens.find(token)).toBeUndefined()
  expect((await gateway('token', 'revoke', id)).error).toMatchObject({ code: 'TOKEN_UNKNOWN' })
})

test('repo add declares a repository and makes its secret, repo list shows it', async () => {
  await gateway('id', '--authority', AUTHORITY)
  const secret = join(folder.dir, 'kernel.secret')
  const add = ['repo', 'add', 'team/kernel', '--url', 'git://host/kernel.git']

  const added = await gateway(...add, '--secret-file', secret, '--branch', 'main', '--branch', 'v*')

  expect(added.error).toBeUndefined()
  expect(added.err).toContain(`made the secret ${secret}`)
  expect((await stat(secret)).mode & 0o777).toBe(0o600)
  expect(secretProblem((await readFile(secret, 'utf8')).trim())).toBeUndefined()
  expect((await gateway('repo', 'list')).out).toBe(
    'team/kernel   git   git://host/kernel.git   main,v*\n'
  )
  const again = await gateway(...add, '--secret-file', secret)
  expect(again.error).toMatchObject({ code: 'CONFIG_INVALID' })
  const { schema, repositories } = JSON.parse((await gateway('repo', 'list', '--json')).out)
  expect([schema, repositories.length]).toEqual(['gateway.repositories/1', 1])
})

test.each(['gitea', 'forgejo', 'github', 'gitlab'] as const)(
  'repo add --forge %s makes a secret that fits it and says where its hook posts',
  async (forge) => {
    await gateway('id', '--authority', AUTHORITY)
    const secret = join(folder.dir, 'kernel.secret')
    const url = 'https://forge.example/team/kernel.git'
    const add = ['repo', 'add', 'team/kernel', '--forge', forge, '--url', url]

    const added = await gateway(...add, '--secret-file', secret)

    expect(added.error).toBeUndefined()
    expect(added.err).toContain(`its hook posts to /hooks/${forge}\n`)
    expect((await stat(secret)).mode & 0o777).toBe(0o600)
    expect(await readFile(secret, 'utf8')).toMatch(/^[\w-]{43}\n$/)
    expect((await gateway('repo', 'list')).out).toBe(`team/kernel   ${forge}   ${url}   **\n`)
  }
)

test('repo add refuses a forge that is not known, and a secret that is none for it', async () => {
  await gateway('id', '--authority', AUTHORITY)
  const secret = join(folder.dir, 'secret')
  await writeFile(secret, '\n', { mode: 0o600 })
  const add = ['repo', 'add', 'a', '--url', 'https://h/t/a', '--secret-file', secret]

  const unknown = await gateway(...add, '--forge', 'gogs')
  const empty = await gateway(...add, '--forge', 'github')

  expect(unknown.error).toBeInstanceOf(CommanderError)
  expect(unknown.err).toContain('Allowed choices are git, gitea, forgejo, github, gitlab')
  expect(empty.error).toMatchObject({ code: 'KEY_INVALID' })
})

test.each([
  [['--url', 'file:///srv/x.git'], /url: .*refused/],
  [['--url', 'git://host/x.git', '--branch', '!main'], /branches\.0: it excludes/]
])('repo add refuses %j before it writes anything', async (args, message) => {
  const secret = join(folder.dir, 'secret')

  const said = await gateway('repo', 'add', 'a', ...args, '--secret-file', secret)

  expect(said.error).toMatchObject({ code: 'USAGE', kind: { exit: 2 } })
  expect(String(said.error)).toMatch(message)
  await expect(stat(secret)).rejects.toMatchObject({ code: 'ENOENT' })
})

test.each([
  [
    'declares the repository already',
    'repositories: [{ name: a, url: "git://h/a", secret_file: x }]'
  ],
  ['is no YAML', 'name: [front'],
  ['has a setting that is not known', 'naem: front']
])('repo add leaves no secret behind where gateway.yaml %s', async (_name, config) => {
  const secret = join(folder.dir, 'secret')
  await gateway('id', '--authority', AUTHORITY)
  await writeFile(join(state, 'gateway.yaml'), `${config}\n`)

  const said = await gateway('repo', 'add', 'a', '--url', 'git://h/a', '--secret-file', secret)

  expect(said.error).toMatchObject({ code: 'CONFIG_INVALID' })
  expect(said.err).toBe('')
  await expect(stat(secret)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await readFile(join(state, 'gateway.yaml'), 'utf8')).toBe(`${config}\n`)
})

test('repo add that is refused leaves a secret alone that was there before', async () => {
  const secret = join(folder.dir, 'secret')
  await gateway('id', '--authority', AUTHORITY)
  const add = ['repo', 'add', 'a', '--url', 'git://h/a', '--secret-file', secret]
  await gateway(...add)
  const before = await readFile(secret, 'utf8')

  const again = await gateway(...add)

  expect(again.error).toMatchObject({ code: 'CONFIG_INVALID' })
  expect(await readFile(secret, 'utf8')).toBe(before)
})

test('repo add refuses a secret file that others may read', async () => {
  await gateway('id', '--authority', AUTHORITY)
  const secret = join(folder.dir, 'secret')
  await writeFile(secret, 'whsec_x', { mode: 0o644 })

  const said = await gateway('repo', 'add', 'a', '--url', 'git://h/a', '--secret-file', secret)

  expect(said.error).toMatchObject({ code: 'KEY_MODE_WIDE' })
})

test.each([
  [[], ''],
  [['token', 'create'], "required option '--scope <scope>' not specified"],
  [['token', 'create', '--scope', 'admin'], 'Allowed choices are read'],
  [['id'], "required option '--authority <authority>' not specified"],
  [['strat'], 'Did you mean start?']
])('%j is a usage error', async (args, message) => {
  const said = await gateway(...args)

  expect(said.error).toBeInstanceOf(CommanderError)
  expect(said.err).toContain(message)
})

test('start says what is missing before it has an identity', async () => {
  const said = await gateway('start', '--log-level', 'silent')

  expect(said.error).toMatchObject({ code: 'STATE_ABSENT', kind: { exit: 78 } })
})

test('a secret is set from standard input, listed without its value, and removed', async () => {
  const secretFile = join(folder.dir, 'hook')
  const url = 'https://git.example/team/kernel.git'
  await gateway('id', '--authority', AUTHORITY)
  await gateway('repo', 'add', 'team/kernel', '--url', url, '--secret-file', secretFile)
  const repo = ['--repo', 'team/kernel'] as const
  const rules = ['--branch', 'main', '--image', 'ghcr.io/team/*'] as const

  const set = await gatewayWith('hunter22\n', 'secret', 'set', 'NPM_TOKEN', ...repo, ...rules)
  expect([set.error, set.out]).toEqual([undefined, ''])
  expect(set.err).toBe('secret NPM_TOKEN of team/kernel set, version 1\n')
  const listed = await gateway('secret', 'list')
  expect(listed.out).toMatch(
    /^team\/kernel {3}NPM_TOKEN {3}v1 {3}\S+ {3}push {3}main {3}ghcr.io\/team\/\*\n$/
  )
  const json = JSON.parse((await gateway('secret', 'list', '--json')).out)
  expect(json.secrets).toMatchObject([{ name: 'NPM_TOKEN', branches: ['main'], events: ['push'] }])
  expect(JSON.stringify(json)).not.toContain('sealed')

  expect((await gateway('secret', 'remove', 'NPM_TOKEN', ...repo)).error).toBeUndefined()
  expect((await gateway('secret', 'list')).out).toBe('')
  expect((await gateway('secret', 'remove', 'NPM_TOKEN', ...repo)).error).toMatchObject({
    code: 'SECRET_UNKNOWN'
  })
})

test('a login of a registry is set with its user, and listed by its registry', async () => {
  const secretFile = join(folder.dir, 'hook')
  const url = 'https://git.example/team/kernel.git'
  await gateway('id', '--authority', AUTHORITY)
  await gateway('repo', 'add', 'team/kernel', '--url', url, '--secret-file', secretFile)
  const set = ['secret', 'set', 'PULL', '--repo', 'team/kernel'] as const
  const login = [
    '--registry',
    'registry.example:5000',
    '--user',
    'ci',
    '--event',
    'push,tag',
    '--isolation',
    'userns'
  ] as const

  expect((await gatewayWith('hunter22\n', ...set, ...login)).error).toBeUndefined()
  const listed = (await gateway('secret', 'list')).out
  expect(listed).toContain(
    'push,tag   all branches   all images   isolation userns   login of registry.example:5000'
  )
  expect(listed).not.toContain('hunter22')
  const text = await readFile(join(state, 'secrets.json'), 'utf8')
  expect(text).not.toMatch(/hunter22|"ci"/)
})

test.each([
  [['--registry', 'registry.example'], '--registry needs --user'],
  [['--user', 'ci'], '--user needs --registry'],
  [['--registry', 'https://registry.example', '--user', 'ci'], 'is no registry'],
  [['--registry', 'registry.example', '--user', 'c:i'], 'no colon'],
  [['--event', 'push,pull_requests'], 'there are push, tag']
])('a secret with %j is refused', async (args, words) => {
  const set = ['secret', 'set', 'PULL', '--repo', 'team/kernel']
  const said = await gatewayWith('hunter22', ...set, ...args)

  expect(said.error).toMatchObject({ code: 'USAGE' })
  expect(String(said.error)).toContain(words)
})

test('a secret of a repository that is not declared, or with a wrong name, is refused', async () => {
  for (const name of ['NPM_TOKEN', 'a-b', 'RUNNER_MESH_X']) {
    const set = await gatewayWith('hunter22', 'secret', 'set', name, '--repo', 'team/kernel')
    expect(set.error, name).toMatchObject({ code: 'USAGE' })
  }
})
