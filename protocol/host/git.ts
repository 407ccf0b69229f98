import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { CHECKOUT_BYTES_MAX, CHECKOUT_MS_MAX, GIT_MEMORY_BYTES_MAX } from '../core/limits.ts'

/** Bytes that one git command may print: a pipeline file fits many times, a bomb does not. */
const OUTPUT_BYTES_MAX = 4_194_304

/** Bytes of an error text that are kept: the cause stands in its last lines. */
const STDERR_BYTES_MAX = 8_192

/** POSIX counts `ulimit -f` in blocks of this many bytes, and shells `ulimit -v` in the other. */
const ULIMIT_BLOCK_BYTES = 512
const ULIMIT_MEMORY_BYTES = 1_024

/** By what a command gets at a private repository: through a pipe, in no argument or variable. */
export type GitAccess =
  | {
      readonly kind: 'password'
      /** The one that is fetched from: no other host is told. */
      readonly url: string
      readonly user: string
      readonly password: string
    }
  /** A private key of ssh, without a passphrase. */
  | { readonly kind: 'key'; readonly key: string }

export interface GitOptions {
  readonly access?: GitAccess | undefined
  readonly cwd?: string | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly stdin?: Uint8Array | undefined
}

export interface GitOutput {
  readonly stdout: Uint8Array
  readonly stderr: string
}

type GitProcess = ChildProcessByStdio<Writable, Readable, Readable>

/** Takes a part of the output; a text is why no more is wanted, and ends the command. */
export type GitReader = (chunk: Buffer) => string | undefined

/** Why we ended a command ourselves. */
interface Cut {
  readonly kind: 'timed_out' | 'aborted' | 'refused'
  readonly problem: string
}

/** A git command that failed; `stderr` is what it said, `timedOut` when our limit ended it. */
export class GitError extends Error {
  override readonly name = 'GitError'
  readonly stderr: string
  readonly timedOut: boolean
  /** True where it printed more than was wanted. */
  readonly isTooLong: boolean

  constructor(args: readonly string[], stderr: string, cut: Cut | undefined) {
    const said = cut === undefined ? lastLine(stderr) : ''
    super(said || `git ${args[0]} ${cut?.problem ?? 'failed'}`)
    this.stderr = stderr
    this.timedOut = cut?.kind === 'timed_out'
    this.isTooLong = cut?.kind === 'refused'
  }
}

/**
 * What git must not do with a stranger's repository: run its hooks or monitors, follow submodules,
 * ask a person, or read the settings of whoever started us.
 */
const HARDENED = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.askPass=',
  'core.attributesFile=/dev/null',
  'credential.helper=',
  'protocol.allow=never',
  'protocol.ext.allow=never',
  'protocol.file.allow=never',
  'protocol.https.allow=always',
  'protocol.http.allow=always',
  'protocol.ssh.allow=always',
  'protocol.git.allow=always',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'http.followRedirects=initial',
  'gc.auto=0',
  'maintenance.auto=false',
  'init.defaultBranch=main',
  'advice.detachedHead=false'
].flatMap((setting) => ['-c', setting])

/**
 * What makes GIT_MEMORY_BYTES_MAX enough for large repositories: big files are streamed and never
 * unpacked as a whole, packs are looked at through small windows, and threads are few, since each
 * takes room of its own.
 */
const SPARING = [
  'core.bigFileThreshold=64m',
  'core.packedGitWindowSize=32m',
  'core.packedGitLimit=256m',
  'transfer.unpackLimit=1',
  'pack.threads=4',
  'index.threads=1',
  'core.preloadIndex=false'
].flatMap((setting) => ['-c', setting])

/** Runs git without a shell's eyes on its arguments; rejects with GitError. */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<GitOutput> {
  const chunks: Buffer[] = []
  let bytes = 0
  const stderr = await streamGit(args, options, (chunk) => {
    bytes += chunk.length
    if (bytes > OUTPUT_BYTES_MAX) return `printed more than ${OUTPUT_BYTES_MAX} bytes`
    chunks.push(chunk)
    return undefined
  })
  return { stdout: new Uint8Array(Buffer.concat(chunks)), stderr }
}

/**
 * The same for output of any size, handed on as it comes. Resolves with what git said beside it;
 * rejects with GitError, also where `read` wants no more.
 */
export function streamGit(
  args: readonly string[],
  options: GitOptions,
  read: GitReader
): Promise<string> {
  const child = spawnGit(args, options)
  return new Promise((resolve, reject) => {
    let cut: Cut | undefined
    // The whole group: git-remote-https and index-pack outlive a killed parent otherwise.
    const stop = (kind: Cut['kind'], problem: string): void => {
      cut ??= { kind, problem }
      if (child.pid !== undefined) killGroup(child.pid)
    }
    child.stdout.on('data', (chunk: Buffer) => {
      // What comes after the end that we made is nobody's.
      const problem = cut === undefined ? read(chunk) : undefined
      if (problem !== undefined) stop('refused', problem)
    })
    const tail = new Tail(STDERR_BYTES_MAX)
    child.stderr.on('data', (chunk: Buffer) => tail.push(chunk))
    const onAbort = (): void => stop('aborted', 'was ended')
    const timeoutMs = options.timeoutMs ?? CHECKOUT_MS_MAX
    const timer = setTimeout(() => stop('timed_out', 'took too long'), timeoutMs)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    if (options.signal?.aborted === true) onAbort()
    const settle = (): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', onAbort)
    }
    child.on('error', (error) => {
      settle()
      reject(error)
    })
    child.on('close', (code) => {
      settle()
      if (code === 0 && cut === undefined) resolve(tail.text())
      else reject(new GitError(args, tail.text(), cut))
    })
    // A command that never reads its input ends the pipe; that is its business, not our crash.
    child.stdin.on('error', () => undefined)
    child.stdin.end(inputOf(options))
  })
}

/**
 * The shell only sets limits: a pack that fills the disk, or whose one delta unfolds to more than
 * the memory of this host, must end with an error.
 */
function spawnGit(args: readonly string[], { cwd, access }: GitOptions): GitProcess {
  const files = String(Math.floor(CHECKOUT_BYTES_MAX / ULIMIT_BLOCK_BYTES))
  const memory = String(Math.floor(GIT_MEMORY_BYTES_MAX / ULIMIT_MEMORY_BYTES))
  const withKey = `exec ssh-agent /bin/sh -c '${WITH_KEY}' "$@"`
  const run = access?.kind === 'key' ? withKey : 'exec git "$@"'
  const script = `ulimit -f "$0" && ulimit -v "$1" && shift && ${run}`
  const words = [...HARDENED, ...SPARING, ...helperOf(access), ...args]
  // Of the inner shell the first word is its own name.
  const first = access?.kind === 'key' ? ['git'] : []
  const child = spawn('/bin/sh', ['-c', script, files, memory, ...first, ...words], {
    cwd,
    env: gitEnvironment(process.env, access),
    detached: true,
    // The fourth is what the helper reads: an environment can be read from outside.
    stdio: ['pipe', 'pipe', 'pipe', access?.kind === 'password' ? 'pipe' : 'ignore']
  })
  if (access?.kind === 'password') tellHelper(child.stdio[3] as Writable, access)
  return child as GitProcess
}

/** What the helper prints, once: a server that refuses it gets no second answer. */
function tellHelper(pipe: Writable, { user, password }: { user: string; password: string }): void {
  // A server that asks nobody ends git without a reader.
  pipe.on('error', () => undefined)
  pipe.end(`username=${user}\npassword=${password}\n`)
}

/** A key goes this way to ssh-add; no command that needs one has an input of its own. */
function inputOf({ access, stdin }: GitOptions): Uint8Array | string | undefined {
  return access?.kind === 'key' ? `${access.key.trimEnd()}\n` : stdin
}

/** git asks it only where the host wants to know, for that host alone. */
const HELPER = '!f() { test "$1" != get || cat <&3; }; f'

/**
 * The key goes from standard input into an agent's memory and is in no file. The agent ends with
 * the git that it was started for; where that is killed, it finds so within seconds.
 */
const WITH_KEY = [
  'ssh-add -q - || exit 1',
  'git "$@" </dev/null',
  'code=$?',
  'kill "$SSH_AGENT_PID"',
  'exit "$code"'
].join('; ')

function helperOf(access: GitAccess | undefined): readonly string[] {
  if (access?.kind !== 'password') return []
  const { origin } = new URL(access.url)
  return ['-c', `credential.${origin}.helper=${HELPER}`]
}

/** Settings of whoever started the daemon must not steer what strangers' repositories can do. */
function gitEnvironment(
  outer: NodeJS.ProcessEnv,
  access: GitAccess | undefined
): NodeJS.ProcessEnv {
  return {
    PATH: outer['PATH'],
    // Whoever started us may have a `.netrc` there, which libcurl takes for any host that it names.
    // Without a HOME it asks for it. An agent of ssh has its socket there, from OpenSSH 10.1 on.
    HOME: access?.kind === 'key' ? outer['HOME'] : '/dev/null',
    SSH_AUTH_SOCK: outer['SSH_AUTH_SOCK'],
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
    GIT_LFS_SKIP_SMUDGE: '1',
    // Each thread of glibc's allocator else reserves room that counts as memory and is never used.
    MALLOC_ARENA_MAX: '2'
  }
}

/** The last bytes of a stream: what went wrong stands at the end of it. */
class Tail {
  readonly #bytesMax: number
  #bytes = Buffer.alloc(0)

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]).subarray(-this.#bytesMax)
  }

  text(): string {
    return this.#bytes.toString('utf8')
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: it ended by itself in the meantime.
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}
