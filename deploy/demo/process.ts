import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

/** Longest wait for a command that ends by itself. */
const COMMAND_MS_MAX = 60_000

/** How long a daemon may take to stop before it is killed. */
const STOP_MS_MAX = 15_000

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly timeoutMs?: number
}

/** Runs a command to its end; a non-zero code is a result, not an error. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {}
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? COMMAND_MS_MAX,
      killSignal: 'SIGKILL'
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.stdin ?? '')
  })
}

/** The command's standard output; rejects with what it said when it fails. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: CommandOptions = {}
): Promise<string> {
  const result = await runCommand(command, args, options)
  if (result.code === 0) return result.stdout
  const said = (result.stderr || result.stdout).trim()
  throw new Error(`${command} ${args.join(' ')} exited ${result.code}: ${said}`)
}

/** Daemons that run: whoever started them may end before it has had the time to stop them. */
const running = new Set<ChildProcess>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A daemon of the demo: its log goes to a file, its process id is what stops it. */
export class Daemon {
  readonly name: string
  readonly logFile: string
  readonly #child: ChildProcess
  readonly #exited: Promise<void>

  constructor(
    name: string,
    logFile: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {}
  ) {
    this.name = name
    this.logFile = logFile
    const log = openSync(logFile, 'a')
    this.#child = spawn(args[0] ?? process.execPath, args.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log]
    })
    closeSync(log)
    running.add(this.#child)
    this.#exited = new Promise<void>((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.once('error', () => resolve())
    }).finally(() => running.delete(this.#child))
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal)
    if (signal === 'SIGKILL') await this.#exited
  }

  exited(): Promise<void> {
    return this.#exited
  }

  /** SIGTERM, twice, then SIGKILL: nothing that the demo started outlives it. */
  async stop(): Promise<void> {
    if (!this.running) return
    this.#child.kill('SIGTERM')
    const insist = setTimeout(() => this.#child.kill('SIGTERM'), STOP_MS_MAX / 3)
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX)
    await this.#exited
    clearTimeout(insist)
    clearTimeout(force)
  }
}

/** Polls `probe` until it gives a value; rejects with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  // A machine under load starts four programs in more than half a minute.
  timeoutMs = 90_000,
  everyMs = 50
): Promise<T> {
  const endMs = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined) return value
    } catch (error) {
      last = error
    }
    if (performance.now() > endMs) {
      throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last })
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
