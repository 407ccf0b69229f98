import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Of Linux for user programs on every machine: CPU times of /proc come in these ticks. */
const TICKS_PER_S = 100
/** Milliseconds that a child may take to end when asked. */
const END_MS = 15_000

interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Where `compileChildren` puts the files beside this one. */
const COMPILED = new URL('../../dist/bench/test/bench/', import.meta.url)

/**
 * Makes plain JavaScript of what the children run, as in a release: a loader that runs source
 * directly wraps every function that it meets.
 */
export function compileChildren(): void {
  const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
  const project = fileURLToPath(new URL('tsconfig.json', import.meta.url))
  const { status } = spawnSync(tsc, ['-p', project], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('the processes of the bench do not compile')
}

/** A process of a bench that answers calls: one of the files beside this one, compiled. */
export class Child {
  readonly #process: ChildProcess
  readonly #calls = new Map<number, (reply: Reply) => void>()
  #lastId = 0

  /** With `profileDir` it leaves a CPU profile there when it ends. */
  constructor(file: string, profileDir?: string) {
    const profile = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
    const path = fileURLToPath(new URL(`${file}.js`, COMPILED))
    this.#process = fork(path, { execArgv: profile })
    this.#process.on('message', (reply: Reply) => this.#calls.get(reply.id)?.(reply))
    this.#process.on('exit', (code) => {
      // What waits would else wait for ever.
      const error = `${file} ended with code ${code}`
      for (const [id, answer] of this.#calls) answer({ id, error })
    })
  }

  async call<T>(name: string, argument?: unknown): Promise<T> {
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve } = Promise.withResolvers<Reply>()
    this.#calls.set(id, resolve)
    this.#process.send({ id, name, argument })
    const { value, error } = await promise
    this.#calls.delete(id)
    if (error !== undefined) throw new Error(error)
    return value as T
  }

  /** Microseconds of CPU, user and system, since it started. */
  async cpuUs(): Promise<number> {
    return await cpuUsOf(this.#process.pid ?? 0)
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_MS)
    this.#process.disconnect()
    await exited
    clearTimeout(late)
  }
}

/** Microseconds of CPU, user and system, that this process has used since it started. */
export async function cpuUsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in brackets, may hold spaces; behind it utime and stime are the 12th and 13th.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_S) * 1_000_000
}
