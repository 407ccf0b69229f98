import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../agent/execute/engine.ts'
import { Daemon } from '../../deploy/demo/process.ts'
import { eventually } from './eventually.ts'

const START_MS_MAX = 60_000
/** First of the host's users that those of containers are; nobody else here has these numbers. */
export const FIRST_USER = 231_072
const USERS = 65_536
/** Both a user and a group on every system; only the name is used, to look their ranges up. */
const OWNER = 'daemon'

/**
 * A second container engine, whose containers' users are others on the host. It has mounts of its
 * own, so that its ranges of users are in no file of this host, and a network of its own, so that
 * it touches no bridge and no rule of the first engine. Needs root.
 */
export class RemappedEngine {
  readonly socket: string
  readonly #dir: string
  readonly #daemon: Daemon

  private constructor(dir: string, daemon: Daemon) {
    this.#dir = dir
    this.#daemon = daemon
    this.socket = join(dir, 'docker.sock')
  }

  static async start(): Promise<RemappedEngine> {
    const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-remapped-'))
    // Containers' own users must find their way to their roots below this.
    await chmod(dir, 0o711)
    const inDir = (name: string): string => join(dir, name)
    await writeFile(inDir('ranges'), `${OWNER}:${FIRST_USER}:${USERS}\n`)
    const mounts = ['subuid', 'subgid'].map(
      (file) => `mount --bind ${inDir('ranges')} /etc/${file}`
    )
    const daemon = new Daemon('remapped engine', inDir('log'), [
      ...['unshare', '--mount', '--net', '--propagation', 'slave', '--', 'sh', '-ec'],
      [...mounts, 'exec "$@"'].join('\n'),
      ...['sh', 'dockerd', `--userns-remap=${OWNER}`],
      `--host=unix://${inDir('docker.sock')}`,
      `--data-root=${inDir('data')}`,
      `--exec-root=${inDir('exec')}`,
      `--pidfile=${inDir('pid')}`,
      // In a network namespace of its own there is no bridge of anybody else's to remove.
      ...['--bridge=none', '--iptables=false', '--ip6tables=false']
    ])
    const engine = new RemappedEngine(dir, daemon)
    try {
      await eventually('the remapped engine answers', () => engine.#answers(), START_MS_MAX)
      return engine
    } catch (error) {
      await engine.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.#daemon.stop()
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 5 })
  }

  async #answers(): Promise<boolean> {
    if (!this.#daemon.running) {
      const said = await readFile(this.#daemon.logFile, 'utf8')
      throw new Error(`the remapped engine has ended: ${said.slice(-500)}`)
    }
    return await Engine.local(this.socket)
      .info()
      .then(
        () => true,
        () => false
      )
  }
}
