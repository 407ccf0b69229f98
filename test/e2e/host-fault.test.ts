import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EngineProxy } from '../support/engine-proxy.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { endGuardians } from '../support/guardians.ts'
import { GuestGateway } from '../support/guest-gateway.ts'
import { clearAfterAgentsIn } from '../support/killed-agents.ts'
import { freePort } from '../support/port-block.ts'
import { ProgramProcess } from '../support/program-process.ts'

/* The real program on an engine that fails: what its owner sees of it. */

/** Six processes one after the other, each a whole program that a loaded machine starts slowly. */
const TEST_MS = 180_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let proxy: EngineProxy
let state: string
let running: ProgramProcess[]

beforeEach(async () => {
  folder = await temporaryFolder()
  proxy = await EngineProxy.open('/var/run/docker.sock')
  state = join(folder.dir, 'agent')
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((daemon) => daemon.kill('SIGKILL')))
  await proxy.close()
  await endGuardians(folder.dir)
  await clearAfterAgentsIn(folder.dir)
  await folder.remove()
})

function agent(...args: readonly string[]): ProgramProcess {
  const program = new ProgramProcess('agent', [...args, '--state', state])
  running.push(program)
  return program
}

async function founded(): Promise<string> {
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const made = await agent('init', '--name', 'onyx', '--address', address).exited
  const settings = `name: onyx\nlisten: [${address}]\nengine: ${proxy.socket}\n`
  await writeFile(join(state, 'agent.yaml'), settings)
  return made.stdout.trim()
}

/** A Git server that never answers: the source must not fail before the engine does. */
class SilentServer {
  readonly #server = createServer((socket) => this.#sockets.add(socket))
  readonly #sockets = new Set<Socket>()

  static async open(): Promise<SilentServer> {
    const one = new SilentServer()
    await new Promise<void>((listening) => one.#server.listen(0, '127.0.0.1', listening))
    return one
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('it does not listen')
    return `git://127.0.0.1:${address.port}/team/app`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((closed) => this.#server.close(closed))
  }
}

const infos = (): number => proxy.calls.filter((call) => call === 'GET /info').length

test(
  'an agent whose engine fails gives its job back, says so in status and looks again',
  async () => {
    const guest = await GuestGateway.make(join(folder.dir, 'front'), await founded())
    const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
    const fields = ['--name', 'front', '--role', 'gateway', '--address', address]
    expect(await agent('admit', guest.id, ...fields).exited).toMatchObject({ code: 0 })
    const daemon = agent('start')
    await daemon.said('agent started')
    const silent = await SilentServer.open()
    try {
      await guest.join(state, 2)
      const before = infos()
      proxy.treat = (call) =>
        call.startsWith('GET /images/')
          ? { kind: 'answer', status: 500, message: 'layers are lost' }
          : undefined
      await guest.record(new AbortController().signal, silent.url)

      await daemon.said('lease released')
      const health = await eventually('it says so', async () => {
        const { stdout } = await agent('status', '--json').exited
        const lines = (JSON.parse(stdout) as { health: { code: string }[] }).health
        return lines.find(({ code }) => code === 'HOST_FAULT')
      })
      expect(health).toMatchObject({ message: expect.stringContaining('layers are lost') })
      await eventually('it looks at its engine', () => infos() > before)
      const { stdout } = await agent('jobs', '--json').exited
      expect(stdout).toContain('sandbox_failed')
      expect(stdout).not.toContain('errored')
    } finally {
      await guest.leave()
      await silent.close()
    }
    expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  },
  TEST_MS
)

test(
  'a started agent has removed what a killed one left of its leases',
  async () => {
    await founded()
    await mkdir(join(state, 'leases', `J.0-${'a'.repeat(32)}`), { recursive: true })
    const daemon = agent('start')
    await daemon.said('agent started')

    expect(await readdir(join(state, 'leases')).catch(() => [])).toEqual([])
    expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  },
  TEST_MS
)
