import { mkdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Daemon, eventually, mustRun } from '../../deploy/demo/process.ts'
import { getJson } from './http.ts'

const BASE_IMAGE = resolve(import.meta.dirname, '..', '..', 'deploy', 'base-image.ts')
const START_MS_MAX = 60_000

/**
 * A container engine of this run's own, in a namespace without any link: it shares no container, no
 * bridge and no rule with another engine of this machine, and may be killed.
 */
export class OwnEngine {
  readonly name: string
  readonly socket: string
  readonly #root: string
  readonly #inside: readonly string[]
  #daemon: Daemon | undefined
  /** By performance.now(); infinite while it is not meant to answer. */
  #downUntilMs = Number.POSITIVE_INFINITY

  constructor(name: string, root: string, inside: readonly string[]) {
    this.name = name
    this.socket = join(root, 'docker.sock')
    this.#root = root
    this.#inside = inside
  }

  async start(): Promise<void> {
    await mkdir(this.#root, { recursive: true })
    const inRoot = (name: string): string => join(this.#root, name)
    this.#daemon = new Daemon(this.name, join(this.#root, '..', 'logs', `${this.name}.log`), [
      ...this.#inside,
      'dockerd',
      `--host=unix://${this.socket}`,
      `--data-root=${inRoot('data')}`,
      `--exec-root=${inRoot('exec')}`,
      `--pidfile=${inRoot('docker.pid')}`,
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false'
    ])
    await eventually(`engine ${this.name} answers`, () => this.#answers(), START_MS_MAX, 100)
    this.#downUntilMs = performance.now()
  }

  /** The image that every job of a run has. */
  async loadImage(): Promise<void> {
    const env = { DOCKER_HOST: `unix://${this.socket}` }
    await mustRun(process.execPath, ['--import', 'tsx', BASE_IMAGE], { env })
  }

  /** Its containers run on: what looks after each of them is a process of its own. */
  async kill(): Promise<void> {
    this.#downUntilMs = Number.POSITIVE_INFINITY
    await this.#daemon?.kill('SIGKILL')
    await this.#forgetContainerd()
  }

  /**
   * Its containerd dies with it. Where nobody collects it soon, the next engine would take the dead
   * one for a running one, and wait for it for ever.
   */
  async #forgetContainerd(): Promise<void> {
    const file = join(this.#root, 'exec', 'containerd', 'containerd.pid')
    const pid = (await readFile(file, 'latin1').catch(() => '')).trim()
    if (pid === '') return
    const isDead = async (): Promise<true | undefined> => {
      const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => 'State:\tX')
      return /^State:\s+[ZX]/m.test(status) ? true : undefined
    }
    await eventually('containerd has died with its engine', isDead)
    await rm(file, { force: true })
  }

  async pause(): Promise<void> {
    this.#downUntilMs = Number.POSITIVE_INFINITY
    await this.#daemon?.kill('SIGSTOP')
  }

  async resume(): Promise<void> {
    await this.#daemon?.kill('SIGCONT')
    this.#downUntilMs = performance.now()
  }

  /** Whether it was away at any time since `sinceMs`, by performance.now(). */
  wasDownSince(sinceMs: number): boolean {
    return this.#downUntilMs >= sinceMs
  }

  async containers(): Promise<readonly string[]> {
    const found = await getJson<{ Names: string[] }[]>({
      socketPath: this.socket,
      path: '/containers/json?all=1'
    })
    return found.map(({ Names }) => Names.join(','))
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop()
  }

  async #answers(): Promise<true | undefined> {
    if (this.#daemon?.running !== true) throw new Error(`engine ${this.name} has ended`)
    await getJson({ socketPath: this.socket, path: '/version' })
    return true
  }
}
