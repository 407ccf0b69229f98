import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { statusSchema } from '../../agent/control/contract.ts'
import { eventually } from './eventually.ts'
import { freePort } from './port-block.ts'
import { type ExitedProcess, ProgramProcess } from './program-process.ts'

/** A mesh of one agent, a process of its own, that holds the authority's key. */
export class InvitingAgent {
  readonly state: string
  readonly authority: string
  readonly #daemon: ProgramProcess

  private constructor(state: string, authority: string, daemon: ProgramProcess) {
    this.state = state
    this.authority = authority
    this.#daemon = daemon
  }

  static async start(state: string): Promise<InvitingAgent> {
    const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
    const init = ['init', '--name', 'onyx', '--address', address, '--lease', 'short']
    const made = await new ProgramProcess('agent', [...init, '--state', state]).exited
    await writeFile(join(state, 'agent.yaml'), `name: onyx\nlisten: [${address}]\n`)
    const daemon = new ProgramProcess('agent', ['start', '--state', state, '--log-level', 'debug'])
    await daemon.said('agent started')
    return new InvitingAgent(state, made.stdout.trim(), daemon)
  }

  /** All that the daemon has written. */
  get log(): string {
    return this.#daemon.stdout + this.#daemon.stderr
  }

  agent(...args: readonly string[]): Promise<ExitedProcess> {
    return new ProgramProcess('agent', [...args, '--state', this.state]).exited
  }

  /** The join string of a new invite. */
  async invite(...args: readonly string[]): Promise<string> {
    return (await this.agent('invite', ...args)).stdout.trim()
  }

  /** Resolves once that member is connected. */
  async linkedTo(name: string): Promise<void> {
    await eventually(
      `${name} is up`,
      async () => {
        const { stdout } = await this.agent('status', '--json')
        const { peers } = statusSchema.parse(JSON.parse(stdout))
        return peers.some((peer) => peer.name === name && peer.state === 'up')
      },
      20_000
    )
  }

  async stop(): Promise<void> {
    await this.#daemon.kill('SIGKILL')
  }
}
