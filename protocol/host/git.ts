import { spawn } from 'node:child_process'
import { CHECKOUT_BYTES_MAX, CHECKOUT_MS_MAX } from '../core/limits.ts'

/** Bytes that one git command may print: a pipeline file fits many times, a bomb does not. */
const OUTPUT_BYTES_MAX = 4_194_304

/** Bytes of an error text that are kept: the cause stands in its last lines. */
const STDERR_BYTES_MAX = 8_192

/** POSIX counts `ulimit -f` in blocks of this many bytes. */
const ULIMIT_BLOCK_BYTES = 512

export interface GitOptions {
  readonly cwd?: string | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly stdin?: Uint8Array | undefined
}

export interface GitOutput {
  readonly stdout: Uint8Array
  readonly stderr: string
}

/** A git command that failed; `stderr` is what it said, `timedOut` when our limit ended it. */
export class GitError extends Error {
  override readonly name = 'GitError'
  readonly stderr: string
  readonly timedOut: boolean

  constructor(args: readonly string[], stderr: string, timedOut: boolean) {
    const said = lastLine(stderr)
    super(timedOut ? `git ${args[0]} took too long` : said || `git ${args[0]} failed`)
    this.stderr = stderr
    this.timedOut = timedOut
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
  'credential.helper=',
  'protocol.allow=never',
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

/** Runs git without a shell's eyes on its arguments; rejects with GitError. */
export function git(args: readonly string[], options: GitOptions = {}): Promise<GitOutput> {
  // The shell only sets the file size limit: a pack that fills the disk must end with an error.
  const limit = String(Math.floor(CHECKOUT_BYTES_MAX / ULIMIT_BLOCK_BYTES))
  const script = 'ulimit -f "$0" && exec git "$@"'
  const child = spawn('/bin/sh', ['-c', script, limit, ...HARDENED, ...args], {
    cwd: options.cwd,
    env: gitEnvironment(process.env),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe']
  })
  return new Promise((resolve, reject) => {
    const stdout = collect(child.stdout, OUTPUT_BYTES_MAX, stop)
    const stderr = collect(child.stderr, STDERR_BYTES_MAX)
    let timedOut = false
    // The whole group: git-remote-https and index-pack outlive a killed parent otherwise.
    function stop(): void {
      if (child.pid !== undefined) killGroup(child.pid)
    }
    const timer = setTimeout(() => {
      timedOut = true
      stop()
    }, options.timeoutMs ?? CHECKOUT_MS_MAX)
    options.signal?.addEventListener('abort', stop, { once: true })
    if (options.signal?.aborted === true) stop()
    const settle = (): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', stop)
    }
    child.on('error', (error) => {
      settle()
      reject(error)
    })
    child.on('close', (code) => {
      settle()
      const said = Buffer.concat(stderr).toString('utf8')
      if (code === 0) resolve({ stdout: new Uint8Array(Buffer.concat(stdout)), stderr: said })
      else reject(new GitError(args, said, timedOut))
    })
    // A command that never reads its input ends the pipe; that is its business, not our crash.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.stdin)
  })
}

/** Settings of whoever started the daemon must not steer what strangers' repositories can do. */
function gitEnvironment(outer: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    PATH: outer['PATH'],
    HOME: outer['HOME'],
    SSH_AUTH_SOCK: outer['SSH_AUTH_SOCK'],
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
    GIT_LFS_SKIP_SMUDGE: '1'
  }
}

function collect(
  stream: NodeJS.ReadableStream,
  bytesMax: number,
  onOverflow?: () => void
): Buffer[] {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= bytesMax) chunks.push(chunk)
    else onOverflow?.()
  })
  return chunks
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
