import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from '../../deploy/demo/process.ts'
import type { SeenContainer } from './judge.ts'

interface Awake {
  readonly kind: 'awake'
  readonly containers: number
  readonly slowestLookMs: number
}

/** Milliseconds since boot, on the clock that goes on while the machine is suspended. */
export function bootMs(): number {
  return Math.round(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1_000)
}

/** The observer's process and what it has told so far. */
export class Observer {
  readonly containers: SeenContainer[] = []
  readonly #child: ChildProcess
  #awake: Awake | undefined
  #exitCode: number | undefined

  private constructor(sockets: readonly string[]) {
    const script = join(import.meta.dirname, 'observer', 'observer.mjs')
    const stdio = ['ignore', 'pipe', 'inherit'] as const
    this.#child = spawn(process.execPath, [script, ...sockets], { stdio: [...stdio] })
    this.#child.on('close', (code) => {
      this.#exitCode = code ?? -1
    })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('the observer has no output')
    createInterface({ input: stdout }).on('line', (line) => this.#take(line))
  }

  static async start(sockets: readonly string[]): Promise<Observer> {
    const observer = new Observer(sockets)
    await eventually('the observer is awake', () => observer.#awake)
    return observer
  }

  /** Containers that it has met, and the longest time in which it looked at none of them. */
  get awake(): { readonly containers: number; readonly slowestLookMs: number } {
    return this.#awake ?? { containers: 0, slowestLookMs: 0 }
  }

  /** Whether it saw the run to its end: what it did not see says nothing. */
  async stop(): Promise<boolean> {
    const saw = this.#exitCode === undefined
    this.#child.kill('SIGTERM')
    await eventually('the observer ends', () => (this.#exitCode === undefined ? undefined : true))
    return saw && this.#exitCode === 0
  }

  #take(line: string): void {
    const told = JSON.parse(line) as Awake | ({ readonly kind: 'container' } & SeenContainer)
    if (told.kind === 'awake') this.#awake = told
    else this.containers.push(told)
  }
}
