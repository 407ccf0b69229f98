import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { dirname, join, resolve } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/store-folder.ts'

/* `check` says what is missing and changes nothing: run as a user of the host, never as root. */

const DEPLOY = resolve(import.meta.dirname, '../../deploy')
const SCRIPTS = ['prepare.sh', 'packages.sh']
const NOBODY = 65_534
/** What a Debian user has: no sbin in it. */
const USER_PATH = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`

let dir: string

beforeEach(async () => {
  dir = await temporaryFolder()
  await chmod(dir, 0o755)
  await mkdir(join(dir, 'deploy'), { mode: 0o755 })
  for (const name of SCRIPTS) await copyFile(join(DEPLOY, name), join(dir, 'deploy', name))
})

/** Something that answers as a container engine does, on a socket of that mode. */
async function engine(mode: number): Promise<string> {
  const server: Server = createServer((request, reply) => {
    reply.writeHead(request.url === '/_ping' ? 200 : 404).end('OK')
  })
  const socket = join(dir, 'engine.sock')
  server.listen(socket)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  await chmod(socket, mode)
  return socket
}

async function check(socket: string, path = USER_PATH) {
  const who = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  const env = { PATH: path, DOCKER_HOST: `unix://${socket}` }
  const child = spawn('sh', [join(dir, 'deploy', 'prepare.sh'), 'check'], { ...who, env, cwd: '/' })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = await once(child, 'close')
  return { code: Number(code), said }
}

test('with an engine that answers nothing of one is missing, whatever is in PATH', async () => {
  expect(await check(await engine(0o666))).toEqual({
    code: 0,
    said: 'prepare: nothing is missing\n'
  })
})

test('a user who may not speak to the engine is told how to, not to install another', async () => {
  const socket = await engine(0o000)

  const { code, said } = await check(socket)

  expect(code).toBe(78)
  expect(said).toMatch(/^prepare: a container engine runs at \S+, but (\S+) may not use it: /)
  expect(said).toMatch(/as root: usermod -aG \S+ \S+, then log in again/)
  expect(said).not.toMatch(/missing|docker\.io|iptables/)
})

test('where nothing listens the socket is named that was asked', async () => {
  const { code, said } = await check(join(dir, 'no.sock'))

  expect(code).toBe(78)
  expect(said).toMatch(/no container engine answers at \S+\/no\.sock|missing: .*docker\.io/)
})

/** A `node` that is of that version, and before it in PATH nothing else. */
async function nodeOf(version: string): Promise<string> {
  const folder = join(dir, 'bin')
  await mkdir(folder, { mode: 0o755 })
  const [major, minor] = version.split('.').map(Number)
  const script = [
    '#!/bin/sh',
    `[ "$1" != --version ] || { echo v${version}; exit 0; }`,
    `code="Object.defineProperty(process.versions, 'node', { value: '${major}.${minor}.0' });$2"`,
    'shift 2',
    `exec ${process.execPath} -e "$code" "$@"`
  ]
  await writeFile(join(folder, 'node'), `${script.join('\n')}\n`, { mode: 0o755 })
  return `${folder}:${USER_PATH}`
}

test.each(['18.20.4', '20.18.3'])(
  'Node %s is refused, with what is needed and where to get it',
  async (old) => {
    const { code, said } = await check(join(dir, 'no.sock'), await nodeOf(old))

    expect(code).toBe(78)
    expect(said).toBe(
      `prepare: Node v${old} is too old, 20.19 is needed: install a newer Node (https://nodejs.org/en/download)\n`
    )
  }
)

test.each(['20.19.0', '24.0.0'])('Node %s is not', async (fit) => {
  expect(await check(await engine(0o666), await nodeOf(fit))).toEqual({
    code: 0,
    said: 'prepare: nothing is missing\n'
  })
})
