import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadGatewaySettings } from '../../gateway/config.ts'
import { loadRepositories } from '../../gateway/repositories.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { webhookSecret } from '../support/standard-webhook.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let file: string

beforeEach(async () => {
  folder = await temporaryFolder()
  file = join(folder.dir, 'gateway.yaml')
  await writeFile(join(folder.dir, 'kernel.secret'), webhookSecret(), { mode: 0o600 })
})

afterEach(() => folder.remove())

async function load(text: string, more: { flags?: object; env?: Record<string, string> } = {}) {
  await writeFile(file, text)
  const { flags, env } = { flags: {}, env: {}, ...more }
  return await loadGatewaySettings({ file, fileRequired: true, flags: { ...flags }, env })
}

/** `file:line:column: problem` of what is refused. */
async function refusal(text: string): Promise<string> {
  const error = await load(text).then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  expect(error).toBeInstanceOf(MeshError)
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', kind: { exit: 78 } })
  return error instanceof Error ? error.message.replace(`${folder.dir}/`, '') : ''
}

const repository = (change = '') =>
  [
    'repositories:',
    '  - name: team/kernel',
    '    url: git://127.0.0.1:9418/kernel.git',
    '    secret_file: kernel.secret',
    change,
    ''
  ].join('\n')

describe('gateway.yaml', () => {
  test('may be empty: every setting has a default that listens for Git on loopback only', async () => {
    const { values } = await load('')

    expect(values).toMatchObject({
      listen: ['/ip4/0.0.0.0/tcp/4472'],
      announce: [],
      http: { host: '127.0.0.1', port: 8471 },
      gossip: true,
      logLevel: 'info',
      repositories: []
    })
  })

  test('gives way to the environment, and that to flags', async () => {
    const env = { MESH_NAME: 'env', MESH_HTTP_LISTEN: '0.0.0.0:80', MESH_GOSSIP: 'false' }

    const { values, origins } = await load('name: file\nhttp: { port: 1 }', {
      env,
      flags: { name: 'flag', listen: undefined }
    })

    expect(values).toMatchObject({ name: 'flag', gossip: false })
    expect(values.http).toEqual({ host: '0.0.0.0', port: 80 })
    expect(origins).toMatchObject({ name: 'flag', http: 'environment', listen: 'default' })
  })

  test.each([
    ['nmae: x', 'gateway.yaml:1:7: nmae: Unrecognized key'],
    ['http: { port: 70000 }', 'gateway.yaml:1:15: http.port'],
    ['http: 127.0.0.1', 'gateway.yaml:1:7: http: use HOST:PORT'],
    ['http: localhost:99999', 'gateway.yaml:1:7: http.port'],
    ['listen: [tcp://x]', 'gateway.yaml:1:10: listen.0: use /ip4'],
    [repository('    branch: [main]'), 'gateway.yaml:5:13: repositories.0.branch'],
    [
      repository('    branches: ["!main"]'),
      'gateway.yaml:5:16: repositories.0.branches.0: it excl'
    ],
    [repository('    forge: gogs'), 'gateway.yaml:5:12: repositories.0.forge'],
    [
      'repositories: [{ name: a, url: git://h/a }]',
      'gateway.yaml:1:16: repositories.0.secret_file'
    ],
    ['public_url: ftp://h', 'gateway.yaml:1:13: public_url: use https'],
    ['public_url: "https://u:p@h"', 'gateway.yaml:1:13: public_url: it must hold no user'],
    [repository('    credential: a b'), 'gateway.yaml:5:17: repositories.0.credential'],
    [repository('    credential: forge'), 'repositories.0.credential: git:// asks nobody'],
    [repository('    checkout: forge'), 'repositories.0.checkout: git:// asks nobody'],
    [repository('    api: https://h/api'), 'repositories.0.api: bare Git has no API'],
    [
      repository('    callback: https://h/x').replace('kernel.git\n', 'k.git\n    forge: gitea\n'),
      'repositories.0.callback: it is for bare Git'
    ],
    ['a: [', 'gateway.yaml: ']
  ])('%j is refused where it stands', async (text, message) => {
    expect(await refusal(text)).toContain(message)
  })

  test('a callback is the URL that is written, with its last slash; a base loses that', async () => {
    const callback = repository('    callback: https://ci.example/runs/')

    const { values } = await load(`public_url: https://mesh.example/\n${callback}`)

    expect(values.repositories[0]?.callback).toBe('https://ci.example/runs/')
    expect(values.public_url).toBe('https://mesh.example')
  })

  const withHttp = (url: string, more: string): string =>
    `repositories: [{ name: a, forge: gitea, url: "${url}", secret_file: s, ${more} }]`

  test.each([
    ['http://forge.example/team/x.git', 'credential: forge', 'credential'],
    ['http://forge.example/team/x.git', 'checkout: read', 'checkout'],
    ['http://127.0.0.1.example/team/x.git', 'credential: forge', 'credential'],
    [
      'ssh://git@forge.example/team/x.git',
      'credential: forge, api: "http://forge.example/api/v1"',
      'credential'
    ]
  ])('%s with %s would show a token to everybody, and is refused', async (url, more, field) => {
    const text = await refusal(withHttp(url, more))

    expect(text).toContain(`repositories.0.${field}: http://`)
    expect(text).toContain('`insecure: true`')
  })

  test.each([
    ['http://127.0.0.1:3000/team/x.git', 'credential: forge'],
    ['http://[::1]:3000/team/x.git', 'checkout: read'],
    ['http://localhost/team/x.git', 'credential: forge'],
    ['http://forge.example/team/x.git', 'credential: forge, insecure: true'],
    ['http://forge.example/team/x.git', 'branches: [main]'],
    ['https://forge.example/team/x.git', 'credential: forge']
  ])('%s with %s is taken', async (url, more) => {
    const { values } = await load(withHttp(url, more))

    expect(values.repositories[0]?.url).toBe(url)
  })

  test.each([
    'file:///srv/git/x.git',
    'ext::sh -c true',
    '/srv/git/x.git',
    'git@host:x.git',
    'https://user:password@host/x.git',
    'https://token@host/x.git',
    'https://host/x.git?token=1',
    'https://host/x y.git',
    'https://host/',
    'git://host',
    'ssh://-oProxyCommand=x/y'
  ])('the URL %s is refused', async (url) => {
    const text = `repositories: [{ name: a, url: "${url}", secret_file: s }]`

    expect(await refusal(text)).toMatch(/gateway\.yaml:1:32: repositories\.0\.url: /)
  })

  test('two entries of one name, or of one URL in two spellings, are refused', async () => {
    const two = (second: string) =>
      `repositories:\n  - { name: a, url: git://h/a.git, secret_file: s }\n  - ${second}\n`

    expect(await refusal(two('{ name: a, url: git://h/b, secret_file: s }'))).toContain(
      'gateway.yaml:3:13: repositories.1.name: name a is declared twice'
    )
    expect(await refusal(two('{ name: b, url: git://H/a, secret_file: s }'))).toContain(
      'gateway.yaml:3:21: repositories.1.url: url git://h/a is declared twice'
    )
  })
})

describe('an entry of a forge', () => {
  const entries = (...lines: readonly string[]) =>
    `repositories:\n${lines.map((line) => `  - { ${line}, secret_file: s }\n`).join('')}`

  test('says which one it is; without a word it is bare Git', async () => {
    const { values } = await load(
      entries('name: a, url: git://h/a', 'name: b, forge: forgejo, url: https://f/t/b')
    )

    expect(values.repositories.map(({ forge }) => forge)).toEqual(['git', 'forgejo'])
  })

  test.each([
    ['by two schemes', 'ssh://git@h/T/A', 'url: gitea repository h/t/a is declared twice'],
    ['under one name but for its case', 'https://h/t/b', 'name: gitea name t/a is declared twice']
  ])('is refused where another is the same %s: a body selects one', async (_how, url, problem) => {
    const name = url.endsWith('b') ? 'T/A' : 'other'
    const first = 'name: t/a, forge: gitea, url: "https://h/t/a.git"'

    const text = entries(first, `name: ${name}, forge: gitea, url: "${url}"`)

    expect(await refusal(text)).toContain(problem)
  })

  test.each([
    ['forge: forgejo, url: "https://h/t/b"', 'h is forgejo here and is gitea in another entry'],
    ['forge: gitea, url: "https://h/x/t/b"', 'h has its pages at /x/ here and has its pages at /']
  ])('%s is refused on the host of another: their numbers would meet', async (other, problem) => {
    const text = entries('name: t/a, forge: gitea, url: "https://h/t/a"', `name: b, ${other}`)

    expect(await refusal(text)).toContain(problem)
  })

  test('may be on the host of bare Git, and be cloned by SSH beside another', async () => {
    const { values } = await load(
      entries(
        'name: t/a, forge: gitea, url: "https://h/git/t/a"',
        'name: t/b, forge: gitea, url: "ssh://git@h/t/b"',
        'name: bare, url: "git://h/bare"'
      )
    )

    expect(values.repositories).toHaveLength(3)
  })
})

describe('the secret of a repository', () => {
  const secrets = async () => {
    const { values } = await load(repository())
    return await loadRepositories(values, file).catch((error: MeshError) => error)
  }

  test('is read from a path beside gateway.yaml, and selects by its branches', async () => {
    const { values } = await load(repository('    branches: [main, "release/*"]'))

    const [loaded] = await loadRepositories(values, file)

    expect(loaded).toMatchObject({ name: 'team/kernel' })
    const branches = ['main', 'release/1', 'release/1/x', 'dev']
    expect(branches.map((branch) => loaded?.selects(branch))).toEqual([true, true, false, false])
  })

  test('must exist, be 0600 and be a secret: a hook without one would be open to anyone', async () => {
    const secret = join(folder.dir, 'kernel.secret')
    await chmod(secret, 0o640)
    const wide = await secrets()
    await chmod(secret, 0o600)
    await writeFile(secret, 'password')
    const weak = await secrets()
    await writeFile(secret, Buffer.from([0x77, 0xff, 0xfe]))
    const broken = await secrets()
    await writeFile(secret, '')
    const empty = await secrets()
    await folder.remove()
    const absent = loadRepositories(
      {
        ...(await loadGatewaySettings({ file, fileRequired: false, flags: {}, env: {} })).values,
        repositories: [
          { name: 'a', forge: 'git', url: 'git://h/a', secret_file: 'gone', branches: ['**'] }
        ]
      },
      file
    )

    expect([wide, weak, broken, empty]).toMatchObject([
      { code: 'KEY_MODE_WIDE' },
      { code: 'KEY_INVALID' },
      { code: 'KEY_INVALID' },
      { code: 'KEY_INVALID' }
    ])
    expect(String(broken)).toContain('it is not UTF-8')
    await expect(absent).rejects.toThrow(/repository a has no secret: .*gone does not exist/)
  })

  test('of a forge is free text, and an empty one or a short one is refused', async () => {
    const secret = join(folder.dir, 'kernel.secret')
    const loaded = async (text: string) => {
      await writeFile(secret, text)
      const { values } = await load(repository('    forge: gitea'))
      return await loadRepositories(values, file).catch((error: MeshError) => error.code)
    }

    expect(await loaded("It's a Secret to Everybody\n")).toMatchObject([{ forge: 'gitea' }])
    expect(await loaded('\n')).toBe('KEY_INVALID')
    expect(await loaded('password')).toBe('KEY_INVALID')
  })
})

describe('whose pushes are trusted', () => {
  async function trusts(change: string): Promise<readonly boolean[]> {
    const { values } = await load(repository(change))
    const [loaded] = await loadRepositories(values, file)
    return ['main', 'release/1', 'feature'].map((branch) => loaded?.trusts(branch) ?? false)
  }

  test('is every branch where nothing is said, those that are named, or none', async () => {
    expect(await trusts('')).toEqual([true, true, true])
    expect(await trusts("    trusted: { branches: [main, 'release/*'] }")).toEqual([
      true,
      true,
      false
    ])
    expect(await trusts('    trusted: none')).toEqual([false, false, false])
    expect(await trusts("    trusted: { tags: ['v*'] }")).toEqual([false, false, false])
  })

  test('is every tag where nothing is said, those that are named, or none', async () => {
    const ofTags = async (change: string): Promise<readonly (boolean | undefined)[]> => {
      const { values } = await load(repository(change))
      const [loaded] = await loadRepositories(values, file)
      return ['v1', 'main'].map((tag) => loaded?.trustsTag(tag))
    }

    expect(await ofTags('')).toEqual([true, true])
    expect(await ofTags("    trusted: { tags: ['v*'] }")).toEqual([true, false])
    expect(await ofTags('    trusted: { branches: [main] }')).toEqual([false, false])
    expect(await ofTags('    trusted: none')).toEqual([false, false])
  })

  test('is asked of a person for forks of unknown authors, for all forks, or for none', async () => {
    const approvals = []
    for (const change of ['', '    pull_requests: {}', '    pull_requests: { approval: always }']) {
      const { values } = await load(repository(change))
      approvals.push((await loadRepositories(values, file))[0]?.approval)
    }

    expect(approvals).toEqual(['first_time', 'first_time', 'always'])
  })

  test.each([
    ['    trusted: all', "use none, or { branches: [main, release/*], tags: ['v*'] }"],
    ['    trusted: { branches: [] }', 'branches'],
    ["    trusted: { branches: ['['] }", 'branches'],
    ['    trusted: { branch: [main] }', 'branch'],
    ['    trusted: {}', 'use branches, tags or both'],
    ['    pull_requests: { approval: off }', 'approval'],
    ['    pull_requests: { approve: always }', 'approve']
  ])('%s is refused', async (change, problem) => {
    expect(await refusal(repository(change))).toContain(problem)
  })
})
