import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { freePort, ProgramProcess } from '../support/program-process.ts'

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
  await folder.remove()
})

function agent(...args: readonly string[]): ProgramProcess {
  const program = new ProgramProcess('agent', [...args, '--state', state])
  running.push(program)
  return program
}

async function founded(): Promise<void> {
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const made = await agent('init', '--name', 'onyx', '--address', address).exited
  expect(made.stderr).toMatch(/^this agent is 12D3\w+\/[0-9a-f]{32}; the mesh authority is\n$/)
  await writeFile(join(state, 'agent.yaml'), `name: onyx\nlisten: [${address}]\n`)
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
