import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { childSeconds, type Report, reportOf } from './report.ts'
import type { Row } from './table.ts'

/** `lease.pml` with the switches of one row, made into a program that visits every state. */

const MODEL = join(import.meta.dirname, 'lease.pml')
/** Two of them run side by side on a machine of 8 GiB. */
const MEMORY_MB_MAX = 3_072
/** Without an end of time and of renewals the search goes deep. */
const DEPTH_MAX = 200_000

/*
 * SAFETY: assertions only, no cycles. COLLAPSE: parts of a state are stored once; nothing is lost.
 * What all of this cost is in the last line that `times` prints.
 */
const SCRIPT = [
  'model=$1; shift',
  'spin "$@" -a "$model" &&',
  `gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=${MEMORY_MB_MAX} -o verifier pan.c &&`,
  `./verifier -E -m${DEPTH_MAX}`,
  'times'
].join('\n')

export interface Verdict {
  readonly row: Row
  readonly report: Report | undefined
  readonly holds: boolean
  /** Processor time of translation, compilation and search. */
  readonly cpuSeconds: number
  /** What the tools said, for the one who must find out why. */
  readonly said: string
}

export interface VerifyOptions {
  /** Ticks after which time stops; it has no end where undefined. */
  readonly tmax: number | undefined
  readonly signal: AbortSignal
}

export async function verify(row: Row, options: VerifyOptions): Promise<Verdict> {
  const limits = options.tmax === undefined ? [] : [`TMAX=${options.tmax}`]
  const switches = [...row.switches, ...limits].map((name) => `-D${name}`)
  const cwd = await mkdtemp(join(tmpdir(), 'lease-model-'))
  try {
    const said = await run(['-c', SCRIPT, 'model', MODEL, ...switches], cwd, options.signal)
    const report = reportOf(said)
    const found = report?.broken ?? 'clean'
    const holds = report?.complete === true && found === row.expected
    return { row, report, holds, cpuSeconds: childSeconds(said), said }
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
}

/**
 * Everything that the script says. Its exit code says less. On abort all of its processes end: a
 * verifier without its shell would go on for minutes, with gigabytes.
 */
async function run(args: readonly string[], cwd: string, signal: AbortSignal): Promise<string> {
  const child = spawn('sh', [...args], { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const stop = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const said = Promise.all([text(child.stderr), text(child.stdout)])
    await once(child, 'close')
    return (await said).join('')
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
