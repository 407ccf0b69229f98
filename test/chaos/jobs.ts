import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

/** What a job's script does: all of them end by themselves. */
export type JobKind = 'ok' | 'fails' | 'once'

/** What its script does at SIGTERM: nothing, end with 0, end with 0 a second later, go on. */
export type OnTerm = 'dies' | 'ends' | 'tidies' | 'ignores'

export interface PlannedJob {
  readonly kind: JobKind
  readonly seconds: number
  /** Of those that somebody is to cancel. */
  readonly cancel?: PlannedCancel | undefined
}

export interface PlannedCancel {
  /** Counts from the taken push, or from when a step was first shown at work. */
  readonly point: 'waiting' | 'running'
  readonly afterMs: number
  /** Undefined: the holder's own 5 s. */
  readonly graceMs: number | undefined
  /** Whom it is sent to first: the API of a gateway, or `agent cancel` on an agent. */
  readonly by: 'gateway' | 'agent'
  /** From 0 to below 1: which of these. */
  readonly door: number
  /** A second order, with another grace, goes to the other kind of door at the same time. */
  readonly twice: boolean
  readonly onTerm: OnTerm
}

const JOBS_MAX = 3
const SECONDS_MAX = 20

const CANCELLED_SHARE = 0.3
/** Longer ones, so that an order finds them at work: within their timeout all the same. */
const CANCELLED_SECONDS = { least: 20, end: 60 } as const
const AFTER_MS_END = { waiting: 2_500, running: 6_000 } as const
const GRACES_MS = [undefined, 1_000, 2_000, 8_000, 20_000] as const
const ON_TERM = ['dies', 'ends', 'tidies', 'ignores'] as const

/** Mostly short ones: more of them meet a fault at another point of their life. */
export function drawJobs(random: SeededRandom): readonly PlannedJob[] {
  return Array.from({ length: random.between(1, JOBS_MAX + 1) }, () => {
    const share = random.next()
    const seconds = Math.max(1, Math.round(random.next() ** 3 * SECONDS_MAX))
    return { kind: share < 0.1 ? 'fails' : share < 0.25 ? 'once' : 'ok', seconds }
  })
}

/**
 * Some of these jobs are to be cancelled. `random` is a stream of its own: what else a seed draws
 * must stay as it was before there were cancels.
 */
export function withCancels(
  jobs: readonly PlannedJob[],
  random: SeededRandom
): readonly PlannedJob[] {
  return jobs.map((job) => {
    // As many numbers for each job, cancelled or not: the next one's do not hang on this one's.
    const [share, at, late, by, door, second] = Array.from({ length: 6 }, () => random.next())
    const graceMs = GRACES_MS[random.between(0, GRACES_MS.length)]
    const onTerm = ON_TERM[random.between(0, ON_TERM.length)] ?? 'dies'
    const longer = random.between(CANCELLED_SECONDS.least, CANCELLED_SECONDS.end)
    if ((share ?? 1) >= CANCELLED_SHARE) return job
    const point = (at ?? 0) < 0.35 ? 'waiting' : 'running'
    const afterMs = Math.round((late ?? 0) ** 2 * AFTER_MS_END[point])
    const cancel: PlannedCancel = {
      ...{ point, afterMs, graceMs, onTerm },
      by: (by ?? 0) < 0.6 ? 'gateway' : 'agent',
      door: door ?? 0,
      twice: (second ?? 1) < 0.2
    }
    return { ...job, seconds: longer, cancel }
  })
}

export function pipelineOf(jobs: readonly PlannedJob[]): string {
  const texts = jobs.map((job, index) =>
    [
      `  ${job.kind}-${index + 1}:`,
      '    resources: { cpu: 0.25, memory: 64MiB }',
      ...(job.kind === 'once' ? ['    on_loss: error'] : []),
      `    steps: [{ run: ${JSON.stringify(scriptOf(job))} }]`
    ].join('\n')
  )
  return [
    `defaults: { image: '${BASE_IMAGE}', timeout: 2m, network: none }`,
    'jobs:',
    ...texts,
    ''
  ].join('\n')
}

/** Says by the clock since boot that it is alive, so that a log tells what happened. */
function scriptOf({ kind, seconds, cancel }: PlannedJob): string {
  const say = (word: string): string => `read up rest < /proc/uptime; echo "${word} $up"`
  // SIGTERM ends the sleep as well, and that must not be what ends the script.
  const sleep = cancel === undefined ? 'sleep 0.5' : 'sleep 0.5 || true'
  const work = `i=0; while [ $i -lt ${seconds * 2} ]; do i=$((i + 1)); ${say('alive')}; ${sleep}; done`
  const traps: Readonly<Record<OnTerm, readonly string[]>> = {
    dies: [],
    ends: [`trap '${say('term')}; exit 0' TERM`],
    tidies: [`trap '${say('term')}; sleep 1; ${say('tidy')}; exit 0' TERM`],
    ignores: [`trap '' TERM`]
  }
  const trap = traps[cancel?.onTerm ?? 'dies']
  const end = kind === 'fails' ? 'exit 7' : 'true'
  return [...trap, say('start'), work, say('end'), end].join('; ')
}
