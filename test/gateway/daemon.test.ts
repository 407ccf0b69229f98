import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TokenStore } from '../../gateway/api/token-store.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayProcess, type GatewayState, gatewayState } from '../support/gateway-process.ts'
import { PIPELINE, temporaryFolder } from '../support/gateway-rig.ts'
import { GitFixture } from '../support/git-fixture.ts'
import { pushBody, signedPost } from '../support/http-rig.ts'
import { VECTOR } from '../support/standard-webhook.ts'

/* The real program: its own process, store, libp2p, HTTP and git. */

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let forge: GitFixture
let running: GatewayProcess[]

beforeEach(async () => {
  folder = await temporaryFolder()
  forge = await GitFixture.serve()
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((daemon) => daemon.kill('SIGKILL')))
  await forge.stop()
  await folder.remove()
})

function start(state: string, ...more: readonly string[]): GatewayProcess {
  const daemon = GatewayProcess.start(state, ...more)
  running.push(daemon)
  return daemon
}

async function declare({ config }: GatewayState, name = 'team/kernel', url = forge.url) {
  const secret = join(folder.dir, 'hook.secret')
  await writeFile(secret, VECTOR.secret, { mode: 0o600 })
  const text = await readFile(config, 'utf8')
  const head = text.includes('repositories:') ? '' : 'repositories:\n'
  await appendFile(config, `${head}  - { name: ${name}, url: "${url}", secret_file: ${secret} }\n`)
}

async function bearer({ state }: GatewayState): Promise<Record<string, string>> {
  const parts = { clock: systemClock(), random: systemRandom() }
  const tokens = new TokenStore(join(state, 'tokens.json'))
  const { token } = await tokens.create(parts, { name: '', scopes: ['read'] })
  return { authorization: `Bearer ${token}` }
}

async function post({ httpUrl }: GatewayState, body: string) {
  const { headers, payload } = signedPost(body)
  const init = { method: 'POST', headers, body: payload }
  const reply = await fetch(`${httpUrl}/hooks/git`, init)
  const answer = (await reply.json()) as { verdict: string; run: string | null }
  return { status: reply.status, ...answer }
}

async function get({ httpUrl }: GatewayState, path: string, headers: Record<string, string> = {}) {
  const reply = await fetch(`${httpUrl}${path}`, { headers })
  return (await reply.json()) as Record<string, unknown> & { runs: unknown[]; state: string }
}

test('a gateway killed right after its 202 records the run once when it is back', async () => {
  const gateway = await gatewayState(folder.dir, 'roster')
  await declare(gateway)
  const token = await bearer(gateway)
  const after = await forge.commit({ '.runner-mesh.yml': PIPELINE })
  const body = pushBody({ after })
  const first = start(gateway.state)
  await first.said('gateway started')

  const taken = await post(gateway, body)
  const killed = await first.kill('SIGKILL')
  const second = start(gateway.state)
  await second.said('gateway started')
  const run = await eventually('the run is recorded', async () => {
    const seen = await get(gateway, `/api/v1/runs/${taken.run}`, token)
    return seen.state === 'queued' && seen
  })

  expect([taken.status, taken.verdict, killed.signal]).toEqual([202, 'accepted', 'SIGKILL'])
  expect(run['jobs']).toMatchObject([{ name: 'build', state: 'queued' }])
  expect(await post(gateway, body)).toMatchObject({ verdict: 'duplicate', run: taken.run })
  expect((await get(gateway, '/api/v1/runs', token)).runs).toHaveLength(1)
  const phases = second.stdout.match(/"phase":"(intake|record)","ms":\d+,"msg":"phase finished"/g)
  expect(phases?.length).toBeGreaterThan(0)
  expect(await second.kill('SIGTERM')).toMatchObject({ code: 0, signal: null })
})

test('without a roster it takes deliveries, says what is missing, and stops in order', async () => {
  const gateway = await gatewayState(folder.dir, 'none')
  await declare(gateway)
  const token = await bearer(gateway)
  const daemon = start(gateway.state)
  await daemon.said('gateway started')

  const taken = await post(gateway, pushBody())
  const health = await get(gateway, '/healthz')

  expect(taken.verdict).toBe('accepted')
  expect(health).toMatchObject({ status: 'no_roster', intakeQueued: 1 })
  const { state } = await get(gateway, `/api/v1/runs/${taken.run}`, token)
  expect(state).toBe('received')
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, signal: null })
  expect(daemon.stdout).toContain('"outcome":"stopped"')
})

test('SIGHUP takes new repositories, and a broken file leaves those of before', async () => {
  const gateway = await gatewayState(folder.dir, 'none')
  await declare(gateway)
  const daemon = start(gateway.state)
  await daemon.said('gateway started')
  const site = pushBody({ repository: 'team/site' })
  expect((await post(gateway, site)).verdict).toBe('ignored')

  await declare(gateway, 'team/site', 'git://127.0.0.1/site.git')
  daemon.signal('SIGHUP')
  await daemon.said('settings read again')
  expect((await post(gateway, site)).verdict).toBe('accepted')

  await appendFile(gateway.config, 'nmae: x\n')
  daemon.signal('SIGHUP')
  await daemon.said('settings not read again')
  expect((await post(gateway, site)).verdict).toBe('duplicate')
})

test('a repository that is away at one SIGHUP keeps what was accepted before', async () => {
  const gateway = await gatewayState(folder.dir, 'none')
  const without = await readFile(gateway.config, 'utf8')
  await declare(gateway)
  const declared = await readFile(gateway.config, 'utf8')
  const token = await bearer(gateway)
  const daemon = start(gateway.state)
  await daemon.said('gateway started')
  const { run } = await post(gateway, pushBody())
  const failedWith = (code: string) =>
    eventually(`a step failed with ${code}`, () => daemon.stdout.includes(`"code":"${code}"`))
  await failedWith('ROSTER_ABSENT')

  await writeFile(gateway.config, without)
  daemon.signal('SIGHUP')
  await failedWith('REPOSITORY_ABSENT')
  const { state } = await get(gateway, `/api/v1/runs/${run}`, token)
  daemon.stdout = ''
  await writeFile(gateway.config, declared)
  daemon.signal('SIGHUP')
  await failedWith('ROSTER_ABSENT')

  expect(state).toBe('received')
  expect((await get(gateway, `/api/v1/runs/${run}`, token)).state).toBe('received')
})

test('a second daemon on the same state is refused and told which process has it', async () => {
  const gateway = await gatewayState(folder.dir, 'none')
  const first = start(gateway.state)
  await first.said('gateway started')

  const second = await start(gateway.state).exited

  expect(second.code).toBe(78)
  expect(second.stderr).toMatch(new RegExp(`^STATE_LOCKED: .* in use by process ${first.pid}: `))
  expect((await get(gateway, '/healthz'))['status']).toBe('no_roster')
})

test('what it cannot start with is said in one line with exit 78', async () => {
  const gateway = await gatewayState(folder.dir, 'none')
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((listening) => taken.once('listening', listening))
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : 0

  const [busy, unwritable, secretless] = await Promise.all([
    start(gateway.state, '--http-listen', `127.0.0.1:${port}`).exited,
    start('/dev/null/gateway').exited,
    new GatewayProcess(['start', '--state', join(folder.dir, 'new'), '--http-listen', 'x']).exited
  ])
  taken.close()

  expect([busy.code, unwritable.code, secretless.code]).toEqual([78, 78, 78])
  expect(busy.stderr).toMatch(/^CONFIG_INVALID: .*cannot listen on .*EADDRINUSE.*choose another/)
  expect(unwritable.stderr).toMatch(/^STATE_UNWRITABLE: cannot write to \/dev\/null\/gateway/)
  expect(secretless.stderr).toMatch(/^CONFIG_INVALID: --http: http: use HOST:PORT/)
  for (const { stderr } of [busy, unwritable, secretless]) {
    expect(stderr.trim().split('\n')).toHaveLength(1)
  }
})
