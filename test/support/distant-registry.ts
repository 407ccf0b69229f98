import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ImageRegistry } from './image-registry.ts'

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
/** Both ends of the wire to it. */
const [HERE, THERE] = ['10.219.43.1', '10.219.43.2'] as const

/**
 * An image registry on another machine, as far as jobs can tell: in a network namespace, reached
 * over one route of the host's. `close` leaves none of it. Needs root.
 */
export class DistantRegistry {
  readonly #name: string
  readonly #wire: string
  #registry: ImageRegistry | undefined

  private constructor() {
    this.#name = `runner-mesh-registry-${process.pid}`
    this.#wire = `rmreg${process.pid}`.slice(0, 15)
  }

  static async open(): Promise<DistantRegistry> {
    const distant = new DistantRegistry()
    try {
      await distant.#wireUp()
      const through = ['ip', 'netns', 'exec', distant.#name]
      distant.#registry = await ImageRegistry.open(undefined, { address: THERE, through })
      return distant
    } catch (error) {
      await distant.close()
      throw error
    }
  }

  /** `ADDRESS:PORT` */
  get host(): string {
    return this.#registry?.host ?? ''
  }

  /** What it has, served on loopback, from where engines take it without TLS. */
  async nearby(): Promise<ImageRegistry> {
    return await ImageRegistry.open(undefined, { data: this.#registry?.data ?? '' })
  }

  async close(): Promise<void> {
    await this.#registry?.close()
    await ip('link', 'del', this.#wire).catch(ignore)
    await ip('netns', 'del', this.#name).catch(ignore)
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
