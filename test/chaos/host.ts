import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type CommandResult, Daemon, runCommand } from '../../deploy/demo/process.ts'
import type { Faults } from './disk.ts'
import type { OwnEngine } from './engine.ts'
import type { History } from './history.ts'
import { getJson } from './http.ts'
import type { Relay } from './relay.ts'

const DIST = resolve(import.meta.dirname, '..', '..', 'dist')
/** Peers dial the relay; the daemon itself listens on the namespace's loopback alone. */
export const RELAY_PORT = 4470
export const DAEMON_PORT = 4471
export const HTTP_PORT = 8471
/** Before a daemon that ended is started again, as a service manager waits. */
const RESTART_AFTER_MS = 500
/** An end that late after its cause is none of its cause's doing. */
const EXCUSE_MS = 20_000
const LAST_WORDS_BYTES = 2_000
const COMMAND_MS_MAX = 60_000

/** The exit code of a process that a signal ended. */
const BY_SIGNAL = null
/** Of a daemon that finds something missing at its start. */
const BAD_STATE = 78
/** Of one whose store has failed, and of its starts until that is mended. */
export const DISK_ENDS = [70, BAD_STATE] as const

interface Excuse {
  readonly reason: string
  readonly codes: readonly (number | null)[]
  readonly untilMs: number
}

export interface HostParts {
  readonly name: string
  readonly role: 'agent' | 'gateway'
  readonly root: string
  readonly address: string
  readonly inside: readonly string[]
  readonly engine: OwnEngine | undefined
  readonly faults: Faults
  readonly relay: Relay
  readonly history: History
}

/** One machine of the run: a namespace, a relay, a state folder and the daemon on it. */
export class Host {
  readonly name: string
  readonly role: 'agent' | 'gateway'
  readonly address: string
  readonly state: string
  readonly logFile: string
  readonly engine: OwnEngine | undefined
  readonly faults: Faults
  readonly relay: Relay
  peerId = ''
  readonly #parts: HostParts
  #daemon: Daemon | undefined
  /** It is made held: whoever has enrolled it releases it. */
  #holds = 1
  #excuses: readonly Excuse[] = []
  #restart: NodeJS.Timeout | undefined

  constructor(parts: HostParts) {
    this.#parts = parts
    this.name = parts.name
    this.role = parts.role
    this.address = parts.address
    this.engine = parts.engine
    this.faults = parts.faults
    this.relay = parts.relay
    this.state = join(parts.root, parts.name)
    this.logFile = join(parts.root, 'logs', `${parts.name}.log`)
  }

  get isUp(): boolean {
    return this.#daemon?.running === true
  }

  get socket(): string {
    return join(this.state, `${this.role}.sock`)
  }

  async writeSettings(): Promise<void> {
    const lines = [
      `name: ${this.name}`,
      `listen: [/ip4/127.0.0.1/tcp/${DAEMON_PORT}]`,
      `announce: [${this.multiaddr}]`
    ]
    const own =
      this.role === 'gateway'
        ? [`http: { host: 0.0.0.0, port: ${HTTP_PORT} }`]
        : [
            `engine: ${this.engine?.socket}`,
            'capacity: { cpu: 1, memory: 512MiB, jobs: 2 }',
            `labels: { host: ${this.name} }`
          ]
    await mkdir(this.state, { recursive: true, mode: 0o700 })
    await writeFile(join(this.state, `${this.role}.yaml`), [...lines, ...own, ''].join('\n'))
  }

  get multiaddr(): string {
    return `/ip4/${this.address}/tcp/${RELAY_PORT}`
  }

  /** One command of the product on this host's state. */
  command(args: readonly string[], timeoutMs = COMMAND_MS_MAX): Promise<CommandResult> {
    const [program = '', ...words] = [
      ...this.#parts.inside,
      process.execPath,
      join(DIST, this.role, 'main.js'),
      ...args,
      '--state',
      this.state
    ]
    return runCommand(program, words, { timeoutMs })
  }

  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.command(args)
    if (code === 0) return stdout
    throw new Error(`${this.role} ${args.join(' ')} on ${this.name} exited ${code}: ${stderr}`)
  }

  /** From its control socket, whatever the network is like. */
  get<T>(path: string): Promise<T> {
    return getJson<T>({ socketPath: this.socket, path })
  }

  /** Kills it and keeps it from starting; resolves once it is gone. Faults may hold it together. */
  async hold(reason: string): Promise<void> {
    this.#holds += 1
    clearTimeout(this.#restart)
    this.excuse(reason, [BY_SIGNAL])
    await this.#daemon?.kill('SIGKILL')
  }

  /** Once nobody holds it, it runs, whatever ends it. */
  release(): void {
    this.#holds -= 1
    if (this.#holds === 0 && !this.isUp) this.#spawn()
  }

  async stop(): Promise<void> {
    this.#holds += 1
    clearTimeout(this.#restart)
    this.excuse('the run is over', [BY_SIGNAL, 0])
    await this.#daemon?.stop()
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    await this.#daemon?.kill(signal)
  }

  /** The daemon may end like this for that reason, now and soon after. */
  excuse(reason: string, codes: Excuse['codes']): void {
    const nowMs = performance.now()
    const fresh = this.#excuses.filter(({ untilMs }) => untilMs > nowMs)
    this.#excuses = [...fresh, { reason, codes, untilMs: nowMs + EXCUSE_MS }]
  }

  /** Its guardian, which it started in a session of its own. */
  killGuardian(): number {
    const pids = processesWith('lifeline', this.state)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    return pids.length
  }

  /** What it said last, for whoever looks into its end. */
  async lastWords(): Promise<string> {
    const file = await open(this.logFile, 'r')
    try {
      const { size } = await file.stat()
      const from = Math.max(0, size - LAST_WORDS_BYTES)
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(LAST_WORDS_BYTES),
        0,
        undefined,
        from
      )
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  }

  #spawn(): void {
    const main = join(DIST, this.role, 'main.js')
    const words = [...this.#parts.inside, process.execPath, main, 'start', '--state', this.state]
    const daemon = new Daemon(this.name, this.logFile, words, this.faults.env)
    this.#daemon = daemon
    this.#parts.history.note('start', { host: this.name, pid: daemon.pid })
    void daemon.exited().then(() => this.#ended(daemon))
  }

  async #ended(daemon: Daemon): Promise<void> {
    const { history } = this.#parts
    const nowMs = performance.now()
    if (this.engine?.wasDownSince(nowMs - EXCUSE_MS)) {
      this.excuse('its engine was away', [BAD_STATE])
    }
    const { exitCode: code } = daemon
    const excuse = this.#excuses.find((one) => one.untilMs > nowMs && one.codes.includes(code))
    const facts = { host: this.name, code, excuse: excuse?.reason }
    if (excuse !== undefined) history.note('end', facts)
    else history.violation('unexpected end', { ...facts, said: await this.lastWords() })
    if (this.#holds > 0 || this.#daemon !== daemon) return
    clearTimeout(this.#restart)
    this.#restart = setTimeout(() => {
      if (this.#holds === 0 && !this.isUp) this.#spawn()
    }, RESTART_AFTER_MS)
  }
}

/** Process ids whose command line has these words, whole. */
export function processesWith(...wanted: readonly string[]): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const words = wordsOf(pid)
      return wanted.every((word) => words.includes(word))
    })
    .map(Number)
}

function wordsOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // It has ended meanwhile.
    return []
  }
}
