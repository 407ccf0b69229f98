import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { endGuardians } from '../support/guardians.ts'
import { freePort, ProgramProcess } from '../support/program-process.ts'
import { SecondEngine } from '../support/second-engine.ts'

/* The real program on an engine with a runtime that is not there. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let engine: SecondEngine
let running: ProgramProcess[]

beforeEach(async () => {
  folder = await temporaryFolder()
  running = []
  engine = await SecondEngine.start({ 'kata-runtime': { path: '/usr/bin/kata-runtime' } })
})

afterEach(async () => {
  await Promise.all(running.map((program) => program.kill('SIGKILL')))
  await endGuardians(folder.dir)
  await engine.stop()
  await folder.remove()
})

function agent(...args: readonly string[]): ProgramProcess {
  const program = new ProgramProcess('agent', [...args, '--state', join(folder.dir, 'agent')])
  running.push(program)
  return program
}

test('an agent takes jobs and says which runtime of its engine is not offered', async () => {
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  await agent('init', '--name', 'onyx', '--address', address).exited
  const settings = [`name: onyx`, `listen: [${address}]`, `engine: ${engine.socket}`]
  await writeFile(join(folder.dir, 'agent', 'agent.yaml'), `${settings.join('\n')}\n`)
  const daemon = agent('start')
  await eventually('tried', () => daemon.stdout.includes('runtimes tried'), 40_000)
  const { stdout } = await agent('status').exited

  expect(stdout).toMatch(/onyx \* +idle/)
  expect(stdout).toContain('runtime: runtime kata-runtime is not offered: ')
  expect(stdout).toContain('take it out of the engine')
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})
