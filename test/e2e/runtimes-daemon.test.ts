import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EngineProxy } from '../support/engine-proxy.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { endGuardians } from '../support/guardians.ts'
import { freePort } from '../support/port-block.ts'
import { ProgramProcess } from '../support/program-process.ts'
import { SecondEngine } from '../support/second-engine.ts'

/* The real program on an engine with a runtime that is not there, and one that comes and goes. */

/** Two runtimes are tried at each start, on whatever machine this is. */
const TEST_MS = 300_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let engine: SecondEngine
let proxy: EngineProxy
let running: ProgramProcess[]

beforeEach(async () => {
  folder = await temporaryFolder()
  running = []
  engine = await SecondEngine.start({
    'kata-runtime': { path: '/usr/bin/kata-runtime' },
    runsc: { path: '/usr/bin/runsc', args: ['--network=none', '--platform=ptrace'] }
  })
  proxy = await EngineProxy.open(engine.socket)
})

afterEach(async () => {
  await Promise.all(running.map((program) => program.kill('SIGKILL')))
  await endGuardians(folder.dir)
  await proxy.close()
  await engine.stop()
  await folder.remove()
})

function agent(...args: readonly string[]): ProgramProcess {
  const program = new ProgramProcess('agent', [...args, '--state', join(folder.dir, 'agent')])
  running.push(program)
  return program
}

async function started(): Promise<ProgramProcess> {
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  await agent('init', '--name', 'onyx', '--address', address).exited
  const settings = [`name: onyx`, `listen: [${address}]`, `engine: ${proxy.socket}`]
  await writeFile(join(folder.dir, 'agent', 'agent.yaml'), `${settings.join('\n')}\n`)
  const daemon = agent('start')
  await eventually('tried', () => daemon.stdout.includes('runtimes tried'), 60_000)
  return daemon
}

/** What the mesh hears of it. */
async function says(isolation: string): Promise<void> {
  await eventually(
    `it offers ${isolation}`,
    async () => {
      const { stdout } = await agent('status', 'onyx').exited
      return stdout.includes(`isolation   ${isolation}\n`) || undefined
    },
    90_000
  )
}

test(
  'an agent takes jobs and says which runtime of its engine is not offered',
  async () => {
    const daemon = await started()
    const { stdout } = await agent('status').exited

    expect(stdout).toMatch(/onyx \* +idle/)
    expect(stdout).toContain('runtime: runtime kata-runtime is not offered: ')
    expect(stdout).toContain('take it out of the engine')
    expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  },
  TEST_MS
)

test(
  'an engine that comes back without a runtime has it no more, and has it once tried again',
  async () => {
    const daemon = await started()
    await says('runc; without a network also gvisor')
    const without = ({ Runtimes, ...info }: { Runtimes: Record<string, object> }): object => {
      return { ...info, Runtimes: { runc: Runtimes['runc'] } }
    }
    proxy.treat = (call) => {
      return /GET .*\/info/.test(call) ? { kind: 'change', change: without } : undefined
    }
    await says('runc')
    proxy.treat = () => undefined
    await says('runc; without a network also gvisor')

    expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  },
  TEST_MS
)
