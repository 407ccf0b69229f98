import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
/** Both ends of the wire to it. */
const [HERE, THERE] = ['10.219.44.1', '10.219.44.2'] as const
const RELAY = join(import.meta.dirname, 'relay.mjs')

/**
 * Forges of this process on another machine, as far as jobs can tell: no job reaches its own host.
 * A network namespace, reached over one route of the host's, passes on what comes to it. `close`
 * leaves none of it. Needs root.
 */
export class DistantForge {
  readonly #name = `runner-mesh-forge-${process.pid}`
  readonly #wire = `rmfrg${process.pid}`.slice(0, 15)
  readonly #relays: ChildProcess[] = []

  static async open(): Promise<DistantForge> {
    const distant = new DistantForge()
    try {
      await distant.#wireUp()
      return distant
    } catch (error) {
      await distant.close()
      throw error
    }
  }

  /** `ADDRESS:PORT` that leads to a server on this host's loopback. */
  async to(url: string): Promise<string> {
    const { port } = new URL(url)
    // From the namespace to the wire's near end, and from there to loopback.
    await this.#relay([], [HERE, port, '127.0.0.1', port])
    await this.#relay(['ip', 'netns', 'exec', this.#name], [THERE, port, HERE, port])
    return `${THERE}:${port}`
  }

  async close(): Promise<void> {
    for (const relay of this.#relays) relay.kill('SIGKILL')
    await ip('link', 'del', this.#wire).catch(ignore)
    await ip('netns', 'del', this.#name).catch(ignore)
  }

  async #relay(through: readonly string[], places: readonly string[]): Promise<void> {
    const [program = '', ...args] = [...through, process.execPath, RELAY, ...places]
    const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit']
    const relay = spawn(program, args, { stdio, env: { PATH } })
    this.#relays.push(relay)
    await once(relay.stdout, 'data')
  }

  async #wireUp(): Promise<void> {
    const inside = (...args: string[]) => ip('-n', this.#name, ...args)
    await ip('netns', 'add', this.#name)
    const peer = ['peer', 'name', 'eth0', 'netns', this.#name]
    await ip('link', 'add', this.#wire, 'type', 'veth', ...peer)
    await ip('address', 'add', HERE, 'peer', THERE, 'dev', this.#wire)
    await ip('link', 'set', this.#wire, 'up')
    await inside('address', 'add', THERE, 'peer', HERE, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) await inside('link', 'set', device, 'up')
    await inside('route', 'add', 'default', 'via', HERE)
  }
}

async function ip(...args: readonly string[]): Promise<void> {
  await promisify(execFile)('ip', [...args], { env: { PATH } })
}

function ignore(): void {
  // It may never have been made.
}
