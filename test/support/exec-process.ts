import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import type { ExitedProcess } from './program-process.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const TSX = import.meta.resolve('tsx')

export interface ExecPlace {
  readonly cwd: string
  /** In place of the system's folder for temporary files. */
  readonly temporary: string
}

/** `agent exec ...` from the sources, in a folder of somebody's. */
export class ExecProcess {
  stdout = ''
  stderr = ''
  readonly exited: Promise<ExitedProcess>
  readonly #child: ChildProcess

  constructor(words: readonly string[], { cwd, temporary }: ExecPlace) {
    const main = resolve(ROOT, 'agent', 'main.ts')
    const child = spawn(process.execPath, ['--import', TSX, main, 'exec', ...words], {
      cwd,
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
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

  async kill(signal: NodeJS.Signals): Promise<ExitedProcess> {
    this.#child.kill(signal)
    return await this.exited
  }
}
