import { mustRun } from '../../deploy/demo/process.ts'

/** One switch for all hosts of a run; no address of it is ever reachable from outside. */
const SUBNET = '10.213.0'
/** Where the pusher, the repositories and the runner itself live. */
export const DESK = 'desk'
const SWITCH = 'sw'

/** Every host in a network namespace of its own, all on one switch that is a namespace too. */
export class Network {
  readonly #prefix: string
  readonly #numbers: ReadonlyMap<string, number>
  /** `from to`: packets that never arrive. */
  readonly #cuts = new Map<string, number>()
  readonly #turns = new Map<string, Promise<void>>()

  /** `prefix` is at most 8 characters: interfaces have names of 15. */
  constructor(prefix: string, hosts: readonly string[]) {
    this.#prefix = prefix
    this.#numbers = new Map([DESK, ...hosts].map((name, index) => [name, index + 1]))
  }

  get names(): readonly string[] {
    return [...this.#numbers.keys()]
  }

  namespace(name: string): string {
    return `${this.#prefix}-${name}`
  }

  address(name: string): string {
    const number = this.#numbers.get(name)
    if (number === undefined) throw new Error(`${name} is no host of this network`)
    return `${SUBNET}.${number}`
  }

  /** Words before a command that make it run in that namespace, with the mounts of this host. */
  inside(name: string): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.namespace(name)}`, '--']
  }

  /** `alone` are namespaces without any link, but for their own loopback. */
  async make(alone: readonly string[]): Promise<void> {
    const hub = this.namespace(SWITCH)
    await mustRun('ip', ['netns', 'add', hub])
    await mustRun('ip', ['-n', hub, 'link', 'add', 'br0', 'type', 'bridge'])
    await mustRun('ip', ['-n', hub, 'link', 'set', 'br0', 'up'])
    for (const name of alone) await this.#add(name)
    for (const [name, number] of this.#numbers) {
      const own = await this.#add(name)
      const port = `p${number}`
      const link = ['link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own]
      await mustRun('ip', ['-n', hub, ...link])
      await mustRun('ip', ['-n', hub, 'link', 'set', port, 'master', 'br0', 'up'])
      const address = `${this.address(name)}/24`
      await mustRun('ip', ['-n', own, 'addr', 'add', address, 'dev', 'eth0'])
      await mustRun('ip', ['-n', own, 'link', 'set', 'eth0', 'up'])
    }
  }

  async #add(name: string): Promise<string> {
    const own = this.namespace(name)
    await mustRun('ip', ['netns', 'add', own])
    await mustRun('ip', ['-n', own, 'link', 'set', 'lo', 'up'])
    return own
  }

  /** What `from` sends does not reach `to`; the other way is left as it is. Cuts are counted. */
  async cut(pairs: readonly (readonly [from: string, to: string])[]): Promise<void> {
    await this.#change(pairs, 1)
  }

  async heal(pairs: readonly (readonly [from: string, to: string])[]): Promise<void> {
    await this.#change(pairs, -1)
  }

  /** Everything reaches everybody again, and that is made sure of. */
  async healAll(): Promise<void> {
    this.#cuts.clear()
    await Promise.all(this.names.map((name) => this.#filter(name)))
  }

  async #change(pairs: readonly (readonly [string, string])[], by: number): Promise<void> {
    for (const [from, to] of pairs) {
      const key = `${from} ${to}`
      this.#cuts.set(key, Math.max(0, (this.#cuts.get(key) ?? 0) + by))
    }
    const changed = new Set(pairs.map(([, to]) => to))
    await Promise.all([...changed].map((name) => this.#filter(name)))
  }

  /** One change after the other: rules that were older must not come last. */
  #filter(to: string): Promise<void> {
    const turn = (this.#turns.get(to) ?? Promise.resolve()).then(() => this.#restore(to))
    this.#turns.set(
      to,
      turn.catch(() => undefined)
    )
    return turn
  }

  /** All rules of one host at once: no instant between the old ones and the new ones. */
  async #restore(to: string): Promise<void> {
    const rules = [...this.#cuts]
      .filter(([key, count]) => count > 0 && key.endsWith(` ${to}`))
      .map(([key]) => `-A INPUT -s ${this.address(key.split(' ')[0] ?? '')} -j DROP`)
    const table = ['*filter', ':INPUT ACCEPT', ...rules, 'COMMIT', ''].join('\n')
    const [program = '', ...words] = [...this.inside(to), 'iptables-restore', '-w']
    await mustRun(program, words, { stdin: table })
  }
}
