import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

/** What happens to bytes on their way to one daemon and back; absent is calm. */
export interface RelayMode {
  readonly delayMs?: number
  readonly jitterMs?: number
  /** Of 1: how many chunks are held up for `stallMs`, as by a lost segment. */
  readonly stallRate?: number
  readonly stallMs?: number
  /** Of 1: how many chunks end their connection. */
  readonly cutRate?: number
  /** Connections stay and carry nothing: half-open. */
  readonly swallow?: boolean
  /** Ends all connections now. */
  readonly cutAll?: boolean
}

/** The proxy that one daemon's peers dial, as a process in its namespace. */
export class Relay {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(
    inside: readonly string[],
    ports: { readonly listen: number; readonly target: number },
    seed: number
  ): Promise<Relay> {
    const script = join(import.meta.dirname, 'relay.mjs')
    const [program = '', ...words] = [...inside, process.execPath, script]
    const numbers = [ports.listen, ports.target, seed].map(String)
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    const child = spawn(program, [...words, ...numbers], { stdio: [...stdio] })
    child.stdin?.on('error', () => undefined)
    await new Promise<void>((listening, reject) => {
      child.stdout?.once('data', () => listening())
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`a relay ended with ${code}`)))
    })
    return new Relay(child)
  }

  set(mode: RelayMode): void {
    this.#child.stdin?.write(`${JSON.stringify(mode)}\n`)
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}
