import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { engineSocket } from './engine.ts'
import { eventually } from './process.ts'

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
  #ended = false

  private constructor(peerIds: readonly string[]) {
    const script = join(import.meta.dirname, 'engine-judge.mjs')
    this.#child = spawn(process.execPath, [script, engineSocket(), ...peerIds], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    this.#child.on('exit', () => {
      this.#ended = true
    })
    let text = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) this.#take(JSON.parse(line))
    })
  }

  /** Without peers it sees every agent's containers: of hosts, too, that have yet to join. */
  static async start(peerIds: readonly string[] = []): Promise<Judge> {
    const judge = new Judge(peerIds)
    await eventually('the judge watches the engine', () => (judge.#ready ? true : undefined))
    return judge
  }

  /** False once it sees nothing more: what it did not see says nothing then. */
  get isWatching(): boolean {
    return this.#ready && !this.#ended
  }

  startsOf(job: string): readonly Sighting[] {
    return this.seen.filter((one) => one.job === job && one.action === 'start')
  }

  /** Pairs of containers of this job that were alive at one instant; none, if we keep our word. */
  overlapsOf(job: string): readonly (readonly [Sighting, Sighting])[] {
    const starts = this.startsOf(job)
    return starts.flatMap((first, index) => {
      const end = this.seen.find((one) => one.action === 'die' && one.container === first.container)
      const endMs = end?.atMs ?? Number.POSITIVE_INFINITY
      return starts
        .slice(index + 1)
        .filter((second) => second.atMs < endMs)
        .map((second) => [first, second] as const)
    })
  }

  stop(): void {
    this.#child.kill('SIGTERM')
  }

  #take(line: Sighting | { readonly judge: 'ready' }): void {
    if ('judge' in line) this.#ready = true
    else this.seen.push(line)
  }
}
