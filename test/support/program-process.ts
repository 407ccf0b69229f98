import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { eventually } from './eventually.ts'

const ROOT = resolve(import.meta.dirname, '../..')

export interface ExitedProcess {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** One of the two programs as a process of its own, from the sources. */
export class ProgramProcess {
  readonly pid: number
  readonly exited: Promise<ExitedProcess>
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess

  constructor(program: 'agent' | 'gateway', args: readonly string[], input = '') {
    const main = resolve(ROOT, program, 'main.ts')
    const options = { stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'] }
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], options)
    this.#child = child
    // A program that ends before it has read its input is no error here.
    child.stdin.on('error', () => undefined).end(input)
    this.pid = child.pid ?? -1
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exited = new Promise((done) => {
      child.on('close', (code, signal) => {
        done({ code, signal, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  kill(signal: NodeJS.Signals): Promise<ExitedProcess> {
    this.#child.kill(signal)
    return this.exited
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Once it has written a line with that message. */
  async said(message: string): Promise<void> {
    await eventually(
      `"${message}" in: ${this.stdout}${this.stderr}`,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.stderr}`)
        return this.stdout.includes(`"msg":"${message}"`)
      },
      30_000
    )
  }
}
