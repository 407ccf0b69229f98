import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { Images } from '../../agent/execute/images.ts'
import { PulledImages } from '../../agent/execute/pulled-images.ts'
import { busyboxRoot } from '../../deploy/base-image.ts'
import { GIVE_BACKS_MAX } from '../../protocol/core/limits.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { AttemptRig, type AttemptWish } from '../support/attempt-rig.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { ImageRegistry } from '../support/image-registry.ts'

const TEST_MS = 120_000
const AMD64 = 'linux/amd64'
const USER = 'ci'
const password = `canary-${randomBytes(12).toString('hex')}`
const run = promisify(execFile)

let registry: ImageRegistry
let rig: AttemptRig
const pushed: string[] = []
let names = 0

beforeAll(async () => {
  registry = await ImageRegistry.open({ user: USER, password })
  rig = await AttemptRig.open()
}, TEST_MS)

afterAll(async () => {
  for (const id of pushed) await rig.engine.removeImage(id)
  await rig.close()
  await registry.close()
})

/** A private image that can run jobs, of a name of its own. */
async function pushedImage(): Promise<{ reference: string; digest: string; imageId: string }> {
  names += 1
  const word = {
    kind: 'file',
    path: 'word',
    mode: 0o644,
    bytes: Buffer.from(`${registry.host} ${names}`)
  } as const
  const entries = [...(await busyboxRoot()), word]
  const name = `team/private-${names}`
  const { digest, imageId } = await registry.push(name, { platform: AMD64, entries }, '1')
  pushed.push(imageId)
  return { reference: `${registry.host}/${name}:1`, digest, imageId }
}

const withLogin = (image: string, value = password): AttemptWish => ({
  spec: { image, secrets: [{ name: 'PULL', file: undefined, registry: registry.host }] },
  secrets: { PULL: `${USER}:${value}` }
})

async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = pids.map((pid) => readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => ''))
  return (await Promise.all(lines)).join('\n')
}

async function holding(places: readonly string[], texts: readonly string[]): Promise<string> {
  const patterns = texts.flatMap((text) => ['-e', text])
  const grep = run('grep', ['-rlaF', ...patterns, ...places])
  return (await grep.catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }))).stdout
}

describe('a private image', { timeout: TEST_MS }, () => {
  test('runs the job that has the login, by its digest; the login is nowhere', async () => {
    const { reference, digest, imageId } = await pushedImage()
    const since = Math.floor(Date.now() / 1_000)
    let lines = ''
    const attempt = await rig.run({
      ...withLogin(reference),
      steps: [{ run: 'env; ls -A /run/secrets 2>&1 || true; echo done' }],
      onStep: async () => {
        lines = await commandLines()
      }
    })
    const docker = new Docker({ socketPath: rig.engine.socket })
    const inspected = JSON.stringify(await docker.getImage(imageId).inspect())
    const events = await docker.getEvents({ since, until: Math.ceil(Date.now() / 1_000) + 1 })
    let reported = ''
    for await (const part of events as AsyncIterable<Buffer>) reported += part.toString()
    const { rootDir } = await rig.engine.info()
    const basic = Buffer.from(`${USER}:${password}`).toString('base64')
    const texts = [password, basic, Buffer.from(password).toString('base64').slice(0, 30)]
    const places = ['containers', 'image', 'network'].map((dir) => join(rootDir, dir))
    const found = await holding([...places, rig.root, join(homedir(), '.docker')], texts)

    expect(attempt.result).toMatchObject({ outcome: { state: 'succeeded' } })
    const said = attempt.lines.map(({ text }) => text)
    expect(said).toContain(`image ${reference} is ${digest} for ${AMD64}`)
    expect(said.at(-1)).toBe('done')
    const all = JSON.stringify([attempt.lines, attempt.result, inspected, reported, lines])
    for (const text of texts) expect(all).not.toContain(text)
    expect(said.filter((text) => /^PULL=/.test(text))).toEqual([])
    expect(reported).toContain(attempt.input.claimId)
    expect(found).toBe('')
  })

  test('ends the job that has a wrong password, and says as whom it asked where', async () => {
    const { reference } = await pushedImage()
    const { result } = await rig.run(withLogin(reference, 'wrong-password'))

    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'image_unavailable' } })
    const { message } = result.kind === 'outcome' ? result.outcome : { message: '' }
    expect(message).toContain(`(asked as ${USER} of ${registry.host})`)
    expect(message).toMatch(/unauthorized|no basic auth|incorrect username/i)
    expect(message).not.toContain('wrong-password')
  })

  test('ends the job that has no login, though the host has pulled it for another', async () => {
    const { reference, digest, imageId } = await pushedImage()
    expect((await rig.run(withLogin(reference))).result).toMatchObject({
      outcome: { state: 'succeeded' }
    })
    const tag = imageId.slice('sha256:'.length)
    const repository = reference.slice(0, -2)
    const ours = `runner-mesh-pulled/rig:${tag.slice(0, 24)}`
    // The names that an engine would find it by, if it were asked.
    expect(await rig.engine.image(ours)).toMatchObject({ id: imageId })
    expect(await rig.engine.image(tag.slice(0, 12))).toMatchObject({ id: imageId })
    const all = [reference, `${repository}@${digest}`, `sha256:${tag}`, tag.slice(0, 12), tag]
    for (const image of [...all, ours, `docker.io/${ours}`]) {
      const { result } = await rig.run({ spec: { image }, givenBack: GIVE_BACKS_MAX })
      expect.soft(result, image).toMatchObject({ kind: 'outcome', outcome: { state: 'errored' } })
      expect.soft(result, image).toHaveProperty('outcome.reason', 'image_unavailable')
    }
    const wrong = await rig.run(withLogin(reference, 'wrong-password'))
    expect(wrong.result).toMatchObject({ outcome: { state: 'errored' } })
  })

  test('is not given to whoever names its digest while another agent fetches it', async () => {
    const { reference, digest } = await pushedImage()
    const name = reference.slice(0, -2)
    const login = { username: USER, password, serveraddress: registry.host }
    // As an agent beside this one has it for a moment, or for good where it is killed just then.
    const signal = AbortSignal.timeout(TEST_MS)
    await rig.engine.pull(name, digest, AMD64, { signal, login })
    const exact = `${name}@${digest}`
    expect(await rig.engine.image(exact)).toBeDefined()

    const without = await rig.run({ spec: { image: exact }, givenBack: GIVE_BACKS_MAX })
    expect(without.result).toMatchObject({
      outcome: { state: 'errored', reason: 'image_unavailable' }
    })
    expect((await rig.run(withLogin(exact))).result).toMatchObject({
      outcome: { state: 'succeeded' }
    })
  })

  test('is not fetched twice for those whose login the registry takes', async () => {
    const { reference, imageId } = await pushedImage()
    const proxy = await EngineProxy.open(rig.engine.socket)
    onTestFinished(() => proxy.close())
    const parts = { clock: systemClock(), log: silentLog() }
    const pulled = await PulledImages.open(parts, join(rig.root, 'twice.json'))
    const options = { pull: 'missing', owner: 'twice' } as const
    const images = new Images({ engine: Engine.local(proxy.socket), pulled }, options)
    onTestFinished(async () => void (await images.drop(imageId)))
    const login = { registry: registry.host, user: USER, password }
    const ensure = async (claimId: string, as: typeof login | undefined) => {
      const signal = AbortSignal.timeout(TEST_MS)
      const request = { reference, claimId, platform: AMD64, signal, login: as }
      try {
        return (await images.ensure({ ...request, say: () => undefined })).id
      } finally {
        images.release(claimId)
      }
    }

    expect(await ensure('a', login)).toBe(imageId)
    expect(await ensure('b', login)).toBe(imageId)
    await expect(ensure('c', undefined)).rejects.toMatchObject({ code: 'IMAGE_UNAVAILABLE' })
    expect(proxy.calls.filter((call) => call.startsWith('POST /images/create'))).toHaveLength(1)

    // Those of the host's owner serve every job.
    const logins = new Map([[registry.host, login]])
    const owners = new Images({ engine: rig.engine, pulled }, { ...options, logins })
    const signal = AbortSignal.timeout(TEST_MS)
    const request = { reference, claimId: 'd', platform: AMD64, signal, say: () => undefined }
    expect((await owners.ensure(request)).id).toBe(imageId)
  })
})

/** A server on a port of loopback that tells what was shown to it. */
async function listening(
  answer: (request: IncomingMessage, response: ServerResponse) => void
): Promise<{ port: number; seen: { url: string; access: string | undefined }[] }> {
  const seen: { url: string; access: string | undefined }[] = []
  const server: Server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', access: request.headers.authorization })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

const refuseAccess = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(401, { 'www-authenticate': 'Basic realm="other"' })
  response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'who are you' }] }))
}

describe('a login', { timeout: TEST_MS }, () => {
  test.each(['127.0.0.1', 'localhost'])(
    'is shown to no other registry that asks for one, %s',
    async (host) => {
      const other = await listening(refuseAccess)
      const { result } = await rig.run(withLogin(`${host}:${other.port}/team/private-1:1`))

      expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'image_unavailable' } })
      expect(other.seen.length).toBeGreaterThan(0)
      expect(other.seen.filter(({ access }) => access !== undefined)).toEqual([])
    }
  )

  test('is not shown to its own registry under another name', async () => {
    const { reference } = await pushedImage()
    const other = reference.replace('127.0.0.1', 'localhost')
    const { result } = await rig.run(withLogin(other))

    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'image_unavailable' } })
  })

  test('does not go along to where its registry sends those who fetch layers', async () => {
    const { reference, imageId } = await pushedImage()
    const basic = Buffer.from(`${USER}:${password}`).toString('base64')
    // Elsewhere: a store of blobs that asks for a login as well, once, as one that collects them.
    const elsewhere = await listening((request, response) => {
      void fetch(`http://${registry.host}${request.url}`, {
        headers: { authorization: `Basic ${basic}` }
      }).then(async (blob) => {
        response.writeHead(blob.status, { 'content-type': 'application/octet-stream' })
        response.end(Buffer.from(await blob.arrayBuffer()))
      })
    })
    const front = await listening((request, response) => {
      const isBlob = request.url?.includes('/blobs/') === true
      const location = `http://127.0.0.1:${elsewhere.port}${request.url}`
      if (request.headers.authorization !== `Basic ${basic}`) return refuseAccess(request, response)
      if (isBlob) return void response.writeHead(307, { location }).end()
      const headers = { authorization: `Basic ${basic}`, accept: request.headers.accept ?? '*/*' }
      const { method = 'GET' } = request
      const asked = fetch(`http://${registry.host}${request.url}`, { method, headers })
      void asked.then(async (answer) => {
        response.writeHead(answer.status, {
          'content-length': answer.headers.get('content-length') ?? '',
          'content-type': answer.headers.get('content-type') ?? '',
          'docker-content-digest': answer.headers.get('docker-content-digest') ?? '',
          'docker-distribution-api-version': 'registry/2.0'
        })
        response.end(Buffer.from(await answer.arrayBuffer()))
      })
    })
    const host = `127.0.0.1:${front.port}`
    const image = reference.replace(registry.host, host)
    const wish = withLogin(image)
    const secrets = [{ name: 'PULL', file: undefined, registry: host }]
    const { result } = await rig.run({ ...wish, spec: { image, secrets } })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(await rig.engine.image(imageId)).toBeDefined()
    expect(elsewhere.seen.length).toBeGreaterThan(0)
    expect(elsewhere.seen.filter(({ access }) => access !== undefined)).toEqual([])
  })
})
