import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { VECTOR } from '../../support/standard-webhook.ts'

const HOOK = resolve(import.meta.dirname, '../../../deploy/post-receive.mjs')
const ZERO = '0'.repeat(40)

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let dir: string
let bare: string
let secretFile: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-hook-'))
  bare = join(dir, 'kernel.git')
  secretFile = join(dir, 'secret')
  await writeFile(secretFile, `${VECTOR.secret}\n`, { mode: 0o600 })
  await git(['init', '--quiet', '--bare', '--initial-branch=main', bare])
  await symlink(HOOK, join(bare, 'hooks', 'post-receive'))
  await git(['clone', '--quiet', bare, join(dir, 'clone')])
})

afterEach(() => rm(dir, { recursive: true, force: true }))

interface Done {
  readonly code: number
  readonly stderr: string
  readonly stdout: string
}

function run(command: string, args: readonly string[], stdin = '', cwd = dir): Promise<Done> {
  const identity = { GIT_CONFIG_GLOBAL: '/dev/null', USER: 'lena', GIT_AUTHOR_NAME: 'L' }
  const who = { GIT_AUTHOR_EMAIL: 'l@x', GIT_COMMITTER_NAME: 'L', GIT_COMMITTER_EMAIL: 'l@x' }
  return new Promise((done) => {
    const env = { ...process.env, ...identity, ...who }
    const child = execFile(
      command,
      args,
      { cwd, env, timeout: 30_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? -1)
        done({ code, stdout, stderr })
      }
    )
    // A command that never reads its input ends the pipe.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(stdin)
  })
}

async function git(args: readonly string[], cwd = dir): Promise<Done> {
  const result = await run('git', args, '', cwd)
  if (result.code !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`)
  return result
}

async function configure(url: string, file = secretFile): Promise<void> {
  const settings = { url, repository: 'team/kernel', secretFile: file }
  for (const [name, value] of Object.entries(settings)) {
    await git(['--git-dir', bare, 'config', `runner-mesh.${name}`, value])
  }
}

async function push(...refs: readonly string[]): Promise<Done> {
  const clone = join(dir, 'clone')
  await git(['commit', '--quiet', '--allow-empty', '-m', 'change'], clone)
  return await git(['push', 'origin', ...refs], clone)
}

/** The hook alone, as git runs it in the bare repository. */
function hook(stdin: string): Promise<Done> {
  return run(join(bare, 'hooks', 'post-receive'), [], stdin, bare)
}

async function withGateway(task: (url: string, rig: HttpRig) => Promise<void>): Promise<void> {
  const rig = await HttpRig.make()
  try {
    await rig.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = rig.app.server.address() as AddressInfo
    await task(`http://127.0.0.1:${port}/hooks/git`, rig)
  } finally {
    await rig.stop()
  }
}

interface Answer {
  readonly status: number
  readonly body?: string
}

/** A gateway that answers as told and keeps what it was sent. */
async function scripted(answers: readonly Answer[], task: (url: string, ids: string[]) => unknown) {
  const ids: string[] = []
  const server = createServer((request, response) => {
    const answer = answers[Math.min(ids.length, answers.length - 1)]
    ids.push(String(request.headers['webhook-id']))
    request.resume()
    response.writeHead(answer?.status ?? 500).end(answer?.body ?? '')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  try {
    await task(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ids)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Where nobody listens any more. */
async function closedUrl(): Promise<string> {
  let closed = ''
  await scripted([{ status: 202 }], (url) => {
    closed = url
  })
  return closed
}

test('a push reaches the gateway, starts its run, and the person who pushed reads its id', async () => {
  await withGateway(async (url, rig) => {
    await configure(url)

    const pushed = await push('HEAD:refs/heads/main')

    const run = /runner-mesh: main [0-9a-f]{7} accepted: run ([0-9A-Z]{26})/.exec(
      pushed.stderr
    )?.[1]
    expect(run, pushed.stderr).toBeDefined()
    const delivery = await rig.store.inbox.byRun(run ?? '')
    expect(JSON.parse(delivery?.body ?? '')).toMatchObject({
      repository: 'team/kernel',
      ref: 'refs/heads/main',
      before: ZERO,
      pusher: 'lena'
    })
    await eventually('the run is recorded', () => rig.registers.chosen.get(run ?? ''))
  })
})

test('a push of several refs is one request a ref', async () => {
  await withGateway(async (url, rig) => {
    await configure(url)

    const refs = ['main', 'dev', 'release/1'].map((branch) => `HEAD:refs/heads/${branch}`)
    const pushed = await push(...refs, 'HEAD:refs/tags/v1')

    expect(pushed.stderr.match(/accepted: run/g)).toHaveLength(4)
    expect((await rig.store.inbox.list(10, undefined)).deliveries).toHaveLength(4)
  })
})

test('a tag with a message is told by the commit that it leads to', async () => {
  await withGateway(async (url, rig) => {
    await configure(url)
    await push('HEAD:refs/heads/main')
    const clone = join(dir, 'clone')
    await git(['tag', '-a', '-m', 'first', 'v1'], clone)

    const pushed = await push('refs/tags/v1')

    const run = /accepted: run (\w+)/.exec(pushed.stderr)?.[1] ?? ''
    const delivery = await rig.store.inbox.byRun(run)
    const { stdout } = await git(['rev-parse', 'v1^{commit}'], clone)
    expect(JSON.parse(delivery?.body ?? '{}')).toMatchObject({
      kind: 'tag',
      ref: 'refs/tags/v1',
      after: stdout.trim()
    })
  })
})

test('a gateway that is down fails no push, and the hook says how to tell it again', async () => {
  await configure(await closedUrl())

  const pushed = await push('HEAD:refs/heads/main')

  expect(pushed.code).toBe(0)
  expect(pushed.stderr).toMatch(/was pushed, but the gateway at .* did not take it/)
  expect(pushed.stderr).toMatch(/cause: ECONNREFUSED/)
  const again = /echo (.*) \| hooks\/post-receive/.exec(pushed.stderr)?.[1] ?? ''
  expect(again).toMatch(/^0{40} [0-9a-f]{40} refs\/heads\/main$/)

  await withGateway(async (url) => {
    await configure(url)
    expect((await hook(`${again}\n`)).stderr).toMatch(/accepted: run/)
  })
})

test('a gateway that is busy is asked again under the same id', async () => {
  const taken = JSON.stringify({ verdict: 'accepted', run: 'R', reason: '' })
  await scripted([{ status: 503 }, { status: 202, body: taken }], async (url, ids) => {
    await configure(url)

    const done = await hook(`${ZERO} ${'a'.repeat(40)} refs/heads/main\n`)

    expect(done).toMatchObject({ code: 0, stderr: 'runner-mesh: main aaaaaaa accepted: run R\n' })
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBe(ids[1])
  })
})

test('a refusal is not repeated, and its words are shown without control characters', async () => {
  const body = JSON.stringify({ detail: "the signature is wrong\u001b[31m\nuse the repository's" })
  await scripted([{ status: 401, body }], async (url, ids) => {
    await configure(url)

    const done = await hook(`${ZERO} ${'a'.repeat(40)} refs/heads/main\n`)

    expect(done.code).toBe(0)
    expect(done.stderr).toContain("cause: 401 the signature is wrong [31m use the repository's\n")
    expect(ids).toHaveLength(1)
  })
})

test('a redirect is not followed: the signed body is for nobody else', async () => {
  await scripted([{ status: 302 }], async (url, ids) => {
    await configure(url)

    const done = await hook(`${ZERO} ${'a'.repeat(40)} refs/heads/main\n`)

    expect(done.code).toBe(0)
    expect(done.stderr).toContain('cause: 302 Found')
    expect(ids).toHaveLength(1)
  })
})

test.each([
  ['that others may read', (file: string) => chmod(file, 0o640), /mode 0640, 0600 is needed/],
  ['that is gone', (file: string) => rm(file), /cannot read the secret .*ENOENT/],
  ['that holds no secret', (file: string) => writeFile(file, 'password'), /holds no secret/]
])('a secret file %s is refused, and the push stands', async (_name, spoil, message) => {
  await configure('http://127.0.0.1:1/')
  await spoil(secretFile)

  const done = await hook(`${ZERO} ${'a'.repeat(40)} refs/heads/main\n`)

  expect(done.code).toBe(0)
  expect(done.stderr).toMatch(message)
  expect(done.stderr.trim().split('\n')).toHaveLength(1)
})

test('without settings it says which one is missing', async () => {
  const done = await hook(`${ZERO} ${'a'.repeat(40)} refs/heads/main\n`)

  expect(done).toMatchObject({ code: 0 })
  expect(done.stderr).toContain('git config runner-mesh.url')
})

test('as a copy without a suffix it takes its settings from the file beside it', async () => {
  await rm(join(bare, 'hooks', 'post-receive'))
  await copyFile(HOOK, join(bare, 'hooks', 'post-receive'))
  await withGateway(async (url) => {
    const lines = [
      `MESH_HOOK_URL=${url}`,
      'export MESH_HOOK_REPOSITORY="team/kernel"',
      `MESH_HOOK_SECRET_FILE='${secretFile}'`
    ]
    await writeFile(join(bare, 'hooks', 'runner-mesh.env'), lines.join('\n'))

    expect((await push('HEAD:refs/heads/main')).stderr).toMatch(/accepted: run/)
  })
})
