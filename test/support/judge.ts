import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { engineSocket } from '../../deploy/demo/engine.ts'
import { eventually } from '../../deploy/demo/process.ts'

export interface Sighting {
  readonly action: 'start' | 'die'
  readonly job: string
  readonly peer: string
  readonly epoch: number
  readonly container: string
  readonly atMs: number
}

/** The judge process and what it has seen so far. */
export class Judge {
  readonly seen: Sighting[] = []
  readonly #child: ChildProcess
  #ready = false

  private constructor(peerIds: readonly string[]) {
    const script = join(import.meta.dirname, 'engine-judge.mjs')
    this.#child = spawn(process.execPath, [script, engineSocket(), ...peerIds], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let text = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) this.#take(JSON.parse(line))
    })
  }

  static async start(peerIds: readonly string[]): Promise<Judge> {
    const judge = new Judge(peerIds)
    await eventually('the judge watches the engine', () => (judge.#ready ? true : undefined))
    return judge
  }

  startsOf(job: string): readonly Sighting[] {
    return this.seen.filter((one) => one.job === job && one.action === 'start')
  }

  stop(): void {
    this.#child.kill('SIGTERM')
  }

  #take(line: Sighting | { readonly judge: 'ready' }): void {
    if ('judge' in line) this.#ready = true
    else this.seen.push(line)
  }
}
