import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import type { Clock } from '../../protocol/core/ports.ts'

const AGENT_MAIN = resolve(import.meta.dirname, '../../dist/agent/main.js')

export interface PrintedLine {
  readonly text: string
  /** Boot clock when it was read here. */
  readonly atMs: number
}

/** One `agent ...` of the build that prints while it runs, and when each line came. */
export class RunningCommand {
  readonly lines: PrintedLine[] = []
  readonly exited: Promise<number | null>
  stderr = ''
  readonly #child: ChildProcess
  #rest = ''

  constructor(clock: Clock, state: string, ...args: readonly string[]) {
    const all = [AGENT_MAIN, ...args, '--state', state]
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const atMs = clock.bootMs()
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      this.lines.push(...lines.map((line) => ({ text: line, atMs })))
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exited = new Promise((done) => {
      child.on('close', (code) => done(code))
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}
