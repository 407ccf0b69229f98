import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { type AskAccess, fetchSource } from '../../../agent/execute/source-fetch.ts'
import { Workspace } from '../../../agent/execute/workspace.ts'
import { codeOf, MeshError } from '../../../protocol/core/errors.ts'
import type { SourceAccess } from '../../../protocol/core/source-access.ts'
import { eventually } from '../../support/eventually.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

// Real repositories over git's own smart HTTP: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const path = process.env['PATH']
afterEach(() => {
  process.env['PATH'] = path
})

/** What a gateway gives, and how often it was asked. */
function gives(access: SourceAccess): { readonly ask: AskAccess; readonly count: () => number } {
  let count = 0
  const ask: AskAccess = () => {
    count += 1
    return Promise.resolve(access)
  }
  return { ask, count: () => count }
}

function passwordOf(token: string): SourceAccess {
  return { kind: 'password', user: 'git', password: token }
}

async function served(
  answer: (request: IncomingMessage, response: ServerResponse) => void
): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a private source is laid out by what the gateway gives, which is in no file of it', async () => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  const commit = await rig.repository.commit({ 'a.txt': 'private\n' })
  const workspace = new Workspace(await temporaryFolder(), 'claim', '/bin/busybox')
  const { ask, count } = gives(passwordOf(rig.token))

  await workspace.checkOut({ url: rig.holder.url, commit }, noEnd(), ask)

  expect(count()).toBe(1)
  expect(await readFile(join(workspace.dir, 'a.txt'), 'utf8')).toBe('private\n')
  for (const name of await readdir(workspace.dir, { recursive: true })) {
    const bytes = await readFile(join(workspace.dir, name)).catch(() => Buffer.alloc(0))
    expect(bytes.includes(rig.token), name).toBe(false)
  }
})

test('what anybody may fetch is fetched without asking the gateway', async () => {
  const rig = await forgeRig('gitea')
  const commit = await rig.repository.commit({ a: 'a' })
  const { ask, count } = gives(passwordOf(rig.token))

  await fetchSource({ url: rig.holder.url, commit, dir: await temporaryFolder() }, ask)

  expect(count()).toBe(0)
})

test('nor is it asked where the commit is not there, or the server is away', async () => {
  const rig = await forgeRig('gitea')
  await rig.repository.commit({ a: 'a' })
  const { ask, count } = gives(passwordOf(rig.token))
  const dir = await temporaryFolder()
  const commit = 'f'.repeat(40)

  for (const url of [rig.holder.url, 'http://127.0.0.1:9/team/kernel.git']) {
    const error = await fetchSource({ url, commit, dir }, ask).catch((thrown: unknown) => thrown)
    expect(codeOf(error)).toBe('WORKSPACE_FETCH_FAILED')
  }
  expect(count()).toBe(0)
})

test.each([
  ['unset', '`checkout` of the repository in gateway.yaml'],
  ['unnamed', '`checkout` of the repository in gateway.yaml'],
  ['unreadable', 'see its log']
])('a gateway that refuses (%s) is told of beside what the server said', async (reason, words) => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  const commit = await rig.repository.commit({ a: 'a' })
  const source = { url: rig.holder.url, commit, dir: await temporaryFolder() }
  const refusal = new MeshError('SECRET_REFUSED', { name: 'source', reason })

  const error = await fetchSource(source, () => Promise.reject(refusal)).catch(
    (thrown: unknown) => thrown
  )

  expect(codeOf(error)).toBe('WORKSPACE_FETCH_FAILED')
  expect(error).toHaveProperty('message', expect.stringMatching(/could not read Username/))
  expect(error).toHaveProperty('message', expect.stringContaining(words))
})

test('a gateway that is away gives the job back, as for secrets', async () => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  const commit = await rig.repository.commit({ a: 'a' })
  const source = { url: rig.holder.url, commit, dir: await temporaryFolder() }
  const away = new MeshError('SECRETS_UNAVAILABLE', { gateway: 'basalt', cause: 'no way' })

  await expect(fetchSource(source, () => Promise.reject(away))).rejects.toBe(away)
})

test('a token that is not good is tried once, and the server has the word', async () => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  const commit = await rig.repository.commit({ a: 'a' })
  const { ask, count } = gives(passwordOf('gitea-token-of-nobody'))
  const source = { url: rig.holder.url, commit, dir: await temporaryFolder() }

  await expect(fetchSource(source, ask)).rejects.toThrow(/Authentication failed/)
  expect(count()).toBe(1)
})

test('no argument and no environment of any process has the token while it is used', async () => {
  const token = `token-${randomBytes(16).toString('hex')}`
  const seen: string[] = []
  let isAuthorized = false
  const base = await served((request, response) => {
    const basic = request.headers.authorization ?? ''
    if (!basic.startsWith('Basic ')) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      return
    }
    isAuthorized = Buffer.from(basic.slice(6), 'base64').toString() === `git:${token}`
    // git waits for this answer with the token in its memory.
    processesWith(token).then((found) => {
      seen.push(...found)
      response.writeHead(404).end()
    }, response.destroy)
  })
  const { ask } = gives(passwordOf(token))
  const source = { url: `${base}/x.git`, commit: 'a'.repeat(40), dir: await temporaryFolder() }

  await expect(fetchSource(source, ask)).rejects.toThrow()

  expect(isAuthorized).toBe(true)
  expect(seen).toEqual([])
})

/** Processes of this host whose arguments or environment have that text. */
async function processesWith(text: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const file of ['cmdline', 'environ']) {
      const bytes = await readFile(`/proc/${pid}/${file}`).catch(() => Buffer.alloc(0))
      if (bytes.includes(text)) found.push(`${pid} ${file}`)
    }
  }
  return found
}

test('the token goes to no other host: not by a redirect, before it was shown or after', async () => {
  const authorized: string[] = []
  const elsewhere = await served((request, response) => {
    authorized.push(request.headers.authorization ?? '')
    response.writeHead(401, { 'www-authenticate': 'Basic realm="mine"' }).end()
  })
  const rig = await forgeRig('gitea', { isPrivate: true })
  for (const asksFirst of [false, true]) {
    const base = await served((request, response) => {
      if (asksFirst && request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
        return
      }
      response.writeHead(302, { location: `${elsewhere}${request.url}` }).end()
    })
    const { ask, count } = gives(passwordOf(rig.token))
    const source = { url: `${base}/x.git`, commit: 'a'.repeat(40), dir: await temporaryFolder() }

    await expect(fetchSource(source, ask)).rejects.toThrow(/Username|Authentication failed/)
    expect(count()).toBe(1)
  }
  expect(authorized.length).toBeGreaterThan(0)
  expect(new Set(authorized)).toEqual(new Set(['']))
})

test('a submodule on another host is not fetched, with the token or without', async () => {
  const asked: string[] = []
  const elsewhere = await served((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(404).end()
  })
  const rig = await forgeRig('gitea', { isPrivate: true })
  const modules = `[submodule "m"]\n\tpath = m\n\turl = ${elsewhere}/m.git\n\tupdate = checkout\n`
  const commit = await rig.repository.commit({ '.gitmodules': modules, a: 'a' })
  const workspace = new Workspace(await temporaryFolder(), 'claim', '/bin/busybox')

  const { ask } = gives(passwordOf(rig.token))
  await workspace.checkOut({ url: rig.holder.url, commit }, noEnd(), ask)

  expect(await readFile(join(workspace.dir, '.gitmodules'), 'utf8')).toBe(modules)
  expect(asked).toEqual([])
})

// No SSH server is at hand: in its place a program of that name, which lets only that key in.
test('a deploy key gets at a source over ssh, from an agent that ends with git', async () => {
  const rig = await forgeRig('gitea')
  const commit = await rig.repository.commit({ a: 'a' })
  const dir = await temporaryFolder()
  const keyFile = join(dir, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'deploy', '-f', keyFile])
  const key = await readFile(keyFile, 'utf8')
  const bin = join(dir, 'bin')
  const seen = join(dir, 'seen')
  await mkdir(bin)
  const script = [
    '#!/bin/sh',
    `ssh-add -l | grep -q ' deploy ' || { echo 'git@forge: Permission denied (publickey).' >&2; exit 255; }`,
    `env > ${seen}`,
    `exec git-upload-pack ${rig.repository.dir}`
  ]
  await writeFile(join(bin, 'ssh'), `${script.join('\n')}\n`)
  await chmod(join(bin, 'ssh'), 0o755)
  process.env['PATH'] = `${bin}:${path}`
  const { ask, count } = gives({ kind: 'key', key })
  const url = 'ssh://git@forge.example/team/kernel.git'

  await fetchSource({ url, commit, dir: await temporaryFolder() }, ask)

  expect(count()).toBe(1)
  const env = await readFile(seen, 'utf8')
  expect(env).not.toContain('PRIVATE KEY')
  // From OpenSSH 10.1 on an agent's socket is there.
  expect(env).toContain(`\nHOME=${process.env['HOME']}\n`)
  const socket = /^SSH_AUTH_SOCK=(.+)$/m.exec(env)?.[1] ?? ''
  expect(socket).not.toBe('')
  await eventually('the agent has gone', () => !existsSync(socket) || undefined)
})
