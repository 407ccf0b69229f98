import { type ChildProcess, spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { causeOf } from '../../../protocol/core/errors.ts'
import {
  GPU_TOOL_BYTES_MAX,
  GPU_TOOL_DRAIN_MS,
  GPU_TOOL_MS_MAX
} from '../../../protocol/core/gpu-limits.ts'

export type ToolAnswer =
  | { readonly kind: 'said'; readonly code: number; readonly text: string; readonly beside: string }
  /** There is no such program here. */
  | { readonly kind: 'absent' }
  /** It was ended by us, or never began. */
  | { readonly kind: 'failed'; readonly cause: string }

/** Runs a vendor's tool; never rejects. `text` is its output, `beside` what it says of errors. */
export type RunTool = (name: string, args: readonly string[]) => Promise<ToolAnswer>

/**
 * Where vendors and distributions put their tools. Not this process's own PATH: an agent that runs
 * as root must not run what somebody left in a folder of theirs.
 */
const FOLDERS = [
  ...['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'],
  ...['/opt/rocm/bin', '/usr/local/nvidia/bin', '/usr/lib/wsl/lib', '/run/current-system/sw/bin']
]
/** Bytes of what a tool says of errors that are kept. */
const BESIDE_BYTES_MAX = 8_192

export interface ToolOptions {
  readonly folders?: readonly string[]
  readonly msMax?: number
  readonly bytesMax?: number
}

/** The one run of a tool that there is at a time. */
interface Turn {
  /** Once it has answered, and has ended unless it hangs. */
  readonly over: Promise<ToolAnswer>
  /** It has answered, and its process is there still. */
  hangs: boolean
}

/**
 * One run of each tool at a time: whoever asks meanwhile waits for its turn. One that hangs in its
 * driver cannot be killed, and nobody must start another beside it every minute.
 */
export function toolRunner(options: ToolOptions = {}): RunTool {
  const turns = new Map<string, Turn>()
  const ask = async (name: string, args: readonly string[]): Promise<ToolAnswer> => {
    const path = await pathOf(name, options.folders ?? FOLDERS)
    const { answer, ended } = path === undefined ? ABSENT : start(path, args, options)
    void ended.then(() => turns.delete(name))
    const said = await answer
    const turn = turns.get(name)
    // Whoever asks next asks a tool that has ended, unless it cannot.
    if (said.kind !== 'failed') await ended
    else if (turn !== undefined) turn.hangs = true
    return said
  }
  return async (name, args) => {
    for (let turn = turns.get(name); turn !== undefined; turn = turns.get(name)) {
      if (turn.hangs) return { kind: 'failed', cause: 'its last run has not ended' }
      await turn.over
    }
    const over = ask(name, args)
    turns.set(name, { over, hangs: false })
    return await over
  }
}

async function pathOf(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false
    )
    if (isThere) return path
  }
  return undefined
}

interface Run {
  readonly answer: Promise<ToolAnswer>
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
}

const ABSENT: Run = { answer: Promise.resolve({ kind: 'absent' }), ended: Promise.resolve() }

function start(path: string, args: readonly string[], options: ToolOptions): Run {
  const { msMax = GPU_TOOL_MS_MAX, bytesMax = GPU_TOOL_BYTES_MAX } = options
  let child: Child
  try {
    child = spawned(path, args)
  } catch (error) {
    // No memory for it, say: what a child could not be made of is thrown, not told.
    const answer = Promise.resolve(unrunnable(error))
    return { answer, ended: Promise.resolve() }
  }
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const answer = new Promise<ToolAnswer>((resolve) => {
    const text = new Kept(bytesMax)
    const beside = new Kept(BESIDE_BYTES_MAX)
    const fail = (cause: string): void => {
      killGroup(child)
      resolve({ kind: 'failed', cause })
    }
    const timer = setTimeout(() => fail(`did not end within ${msMax / 1_000} s`), msMax)
    child.stdout.on('data', (chunk: Buffer) => {
      if (!text.take(chunk)) fail(`printed more than ${bytesMax} bytes`)
    })
    child.stderr.on('data', (chunk: Buffer) => beside.take(chunk))
    child.once('error', (error) => {
      clearTimeout(timer)
      resolve(unrunnable(error))
    })
    child.once('exit', () => letGo(child))
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code === null) resolve({ kind: 'failed', cause: `was ended by ${signal ?? 'a signal'}` })
      else resolve({ kind: 'said', code, text: text.text(), beside: beside.text() })
    })
  })
  return { answer, ended }
}

type Child = ReturnType<typeof spawned>

function spawned(path: string, args: readonly string[]) {
  return spawn(path, [...args], {
    env: environment(path),
    cwd: '/',
    // A group of its own: a script's children outlive it otherwise.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

function unrunnable(error: unknown): ToolAnswer {
  return { kind: 'failed', cause: `cannot be run: ${causeOf(error)}` }
}

/**
 * Of a tool that has ended: a service that it started may have its output open for good, and the
 * tool would be one that hangs, at every question from now on.
 */
function letGo(child: Child): void {
  const timer = setTimeout(() => {
    killGroup(child)
    child.stdout.destroy()
    child.stderr.destroy()
  }, GPU_TOOL_DRAIN_MS)
  child.once('close', () => clearTimeout(timer))
}

/** Libraries of a tool that is no part of the system lie beside it. */
function environment(path: string): NodeJS.ProcessEnv {
  const place = dirname(dirname(path))
  const PATH = [...new Set([dirname(path), '/usr/bin', '/bin', '/usr/sbin', '/sbin'])].join(':')
  const base = { PATH, LC_ALL: 'C', HOME: '/' }
  if (place === '/usr' || place === '/usr/local') return base
  return { ...base, LD_LIBRARY_PATH: `${place}/lib64:${place}/lib` }
}

class Kept {
  readonly #bytesMax: number
  readonly #chunks: Buffer[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** False for what does not fit any more. */
  take(chunk: Buffer): boolean {
    if (this.#bytes + chunk.length > this.#bytesMax) return false
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
    return true
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: it ended by itself in the meantime.
  }
}
