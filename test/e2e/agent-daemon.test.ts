import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { endGuardians } from '../support/guardians.ts'
import { GuestGateway } from '../support/guest-gateway.ts'
import { clearAfterAgentsIn } from '../support/killed-agents.ts'
import { freePort } from '../support/port-block.ts'
import { ProgramProcess } from '../support/program-process.ts'
import { readExposition, seriesValue } from '../support/prometheus-text.ts'

/* The real program on a real engine: its own process, store and libp2p. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let state: string
let running: ProgramProcess[]

beforeEach(async () => {
  folder = await temporaryFolder()
  state = join(folder.dir, 'agent')
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((daemon) => daemon.kill('SIGKILL')))
  await endGuardians(folder.dir)
  await clearAfterAgentsIn(folder.dir)
  await folder.remove()
})

function agent(...args: readonly string[]): ProgramProcess {
  const program = new ProgramProcess('agent', [...args, '--state', state])
  running.push(program)
  return program
}

/** Gives the mesh's authority. */
async function founded(port?: number): Promise<string> {
  const address = `/ip4/127.0.0.1/tcp/${port ?? (await freePort())}`
  const made = await agent('init', '--name', 'onyx', '--address', address).exited
  expect(made.stderr).toMatch(/^this agent is 12D3\w+\/[0-9a-f]{32}; the mesh authority is\n$/)
  await writeFile(join(state, 'agent.yaml'), `name: onyx\nlisten: [${address}]\n`)
  return made.stdout.trim()
}

test('a second daemon on the same state is refused and told which process has it', async () => {
  await founded()
  const first = agent('start')
  await first.said('agent started')

  const second = await agent('start').exited

  expect([second.code, second.stdout]).toEqual([78, ''])
  expect(second.stderr).toMatch(new RegExp(`^STATE_LOCKED: .* in use by process ${first.pid}: `))
  const status = await agent('status', '--json').exited
  expect(JSON.parse(status.stdout)).toMatchObject({ peers: [{ name: 'onyx', self: true }] })
  expect(await first.kill('SIGTERM')).toMatchObject({ code: 0, signal: null, stderr: '' })
})

test('an agent alone turns idle, says that a run would depend on it, and drains', async () => {
  await founded()
  const daemon = agent('start')
  await daemon.said('agent started')
  await daemon.said('state changed')

  const status = await agent('status').exited

  expect(status.stdout).toContain('with fewer than 3 witnesses each run depends on one machine')
  expect(status.stdout).toMatch(/onyx \* +(starting|idle)/)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  expect(daemon.stdout).toContain('"msg":"draining"')
})

test('an agent whose owner names a port is scraped there, and counts its syncs and its state', async () => {
  await founded()
  const port = await freePort()
  const yaml = join(state, 'agent.yaml')
  await appendFile(yaml, `metrics: { listen: '127.0.0.1:${port}' }\n`)
  const daemon = agent('start')
  await daemon.said('state changed')

  const families = readExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())

  const of = (name: string, labels = {}) => seriesValue(families, `runner_mesh_${name}`, labels)
  expect(of('agent_state', { state: 'starting' }) + of('agent_state', { state: 'idle' })).toBe(1)
  expect([of('witnesses'), of('witnesses_reachable'), of('quorum_available')]).toEqual([1, 1, 1])
  expect(of('agent_capacity_cpu_cores')).toBeGreaterThan(0)
  expect(of('agent_leased_cpu_cores')).toBe(0)
  expect(families.get('runner_mesh_store_sync_seconds')?.type).toBe('histogram')
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test('without an engine that answers it says which socket it asked, and ends', async () => {
  await founded()
  await writeFile(join(state, 'agent.yaml'), `engine: ${join(folder.dir, 'no.sock')}\n`)

  const said = await agent('start').exited

  expect(said.stderr).toMatch(/^ENGINE_UNREACHABLE: .*no\.sock/)
  expect(said.code).not.toBe(0)
})

test('a settings file with a wrong key names its line and ends with 78', async () => {
  await founded()
  await writeFile(join(state, 'agent.yaml'), 'name: onyx\ncapacty: { jobs: 1 }\n')

  const said = await agent('start').exited

  expect(said.code).toBe(78)
  expect(said.stderr).toMatch(/^CONFIG_INVALID: .*agent\.yaml:2:\d+: capacty/)
})

test('a port that is taken is said in one line, and the agent ends', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await founded(port)

  const said = await agent('start').exited
  taken.close()

  expect([said.code, said.signal]).toEqual([78, null])
  const where = `/ip4/127.0.0.1/tcp/${port}`
  expect(said.stderr).toBe(
    `CONFIG_INVALID: listen: cannot listen on ${where} (EADDRINUSE): choose another address or port\n`
  )
})

test('a socket whose path is too long is refused before anything listens', async () => {
  const deep = join(folder.dir, 'x'.repeat(100))
  state = deep
  await founded()

  const said = await agent('start').exited

  expect(said.code).toBe(78)
  expect(said.stderr).toMatch(
    /^SOCKET_PATH_TOO_LONG: .* 107 are possible: give a shorter --state\n$/
  )
  // Node would have cut the path and listened at the rest of it.
  expect(await readdir(folder.dir)).toEqual(['x'.repeat(100)])
  expect((await readdir(deep)).filter((name) => name.endsWith('.pid'))).toEqual([])
})

test('an agent whose disk refuses a write promises nothing more and ends', async () => {
  const authority = await founded()
  const guest = await GuestGateway.make(join(folder.dir, 'front'), authority)
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const fields = ['--name', 'front', '--role', 'gateway', '--address', address]
  expect(await agent('admit', guest.id, ...fields).exited).toMatchObject({ code: 0 })
  const daemon = agent('start')
  await daemon.said('agent started')
  const asked = new AbortController()
  try {
    await guest.join(state, 2)

    // As on a full disk: no file of this process may grow any more.
    execFileSync('prlimit', ['--pid', String(daemon.pid), '--fsize=1:1'])
    const recorded = guest.record(asked.signal).then(
      () => 'recorded',
      () => 'refused'
    )
    const ended = await daemon.exited
    asked.abort(new Error('the witness is gone'))

    expect([ended.code, ended.signal]).toEqual([70, null])
    expect(ended.stderr).toMatch(/^STORE_FAILED: .* nothing more is promised; .* start it again\n$/)
    expect(await recorded).toBe('refused')
  } finally {
    asked.abort(new Error('the test is over'))
    await guest.leave()
  }
  // What it had promised is still there: the next process takes it up.
  const next = agent('start')
  await next.said('agent started')
  expect(await next.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})
