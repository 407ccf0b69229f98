import type { PlannedJob } from './jobs.ts'
import { type Life, livesOf, type SeenContainer } from './judge.ts'

/** What a daemon said to an order to cancel; `atMs` on the clock since boot, once it had. */
export type Answer =
  /** Its register has the order: the job is over (`cancelled`), or its holder is to end it. */
  | {
      readonly kind: 'taken'
      readonly verdict: 'cancelled' | 'requested'
      readonly atMs: number
      /** Under which the job was when it got the order, where the answer shows the order. */
      readonly epoch: number | undefined
    }
  /** JOB_ENDED, with the state that it names. */
  | { readonly kind: 'ended'; readonly state: string; readonly atMs: number }
  /** JOB_UNKNOWN, RUN_NOT_OPEN: nothing was asked of the witnesses. */
  | { readonly kind: 'unknown'; readonly atMs: number }
  /** No quorum, or no answer: it may have been taken, or still be. */
  | { readonly kind: 'unsure'; readonly atMs: number; readonly cause: string }

export interface Order {
  readonly reason: string
  readonly graceMs: number | undefined
  /** Name of the daemon that it was sent to. */
  readonly door: string
  readonly sentMs: number
  /** Absent while it is on its way. */
  answer?: Answer | undefined
}

export interface JudgedJob extends PlannedJob {
  readonly id: string
  readonly orders: readonly Order[]
  /** Nobody gave a definite answer, for as long as it was tried. */
  readonly gaveUp: boolean
  readonly end:
    | { readonly state: string; readonly reason: string | null; readonly epoch: number }
    | undefined
  /** When a daemon first showed that end, on the clock since boot. */
  readonly endShownMs: number | undefined
}

/** TERM_GRACE_MS of the product: where an order says nothing of a grace. */
const USUAL_GRACE_MS = 5_000
/**
 * A renewal that succeeds after an order was taken brings it along, and without one the lease of
 * 3 s is over and its container with it; the rest is for a loaded machine.
 */
const HEARD_MS_MAX = 8_000
/** Of a healed mesh: to hear of it, to end what outlives its grace, to see its container gone. */
const GONE_MS_MAX = 30_000
/** Two clocks that count in hundredths of a second, rounded down. */
const GRAIN_MS = 20

/** What JOB_ENDED names where the witnesses keep the job no more. */
const DROPPED = 'ended'

const VAGUE: ReadonlySet<Answer['kind']> = new Set(['unknown', 'unsure'])

type Taken = Extract<Answer, { kind: 'taken' }>

/** Each promise of an order to cancel that this job shows broken; `healedMs` is since boot. */
export function cancelProblems(
  job: JudgedJob,
  containers: readonly SeenContainer[],
  healedMs: number
): readonly string[] {
  const lives = livesOf(containers.filter((seen) => seen.job === job.id))
  return [...problemsOfEnd(job, lives), ...problemsOfLives(job, lives, healedMs)].map(
    (problem) => `${job.id}: ${problem}`
  )
}

/** Milliseconds from the first order that was taken to the end of the last container. */
export function goneMs(job: JudgedJob, containers: readonly SeenContainer[]): number | undefined {
  const first = takenOf(job)[0]
  const last = livesOf(containers.filter((seen) => seen.job === job.id)).at(-1)
  if (first === undefined || last === undefined) return undefined
  return Math.max(0, last.endMs - first.atMs)
}

/** Answers of orders that were taken, the earliest first. */
export function takenOf({ orders }: Pick<JudgedJob, 'orders'>): readonly Taken[] {
  return orders
    .flatMap(({ answer }) => (answer?.kind === 'taken' ? [answer] : []))
    .toSorted((a, b) => a.atMs - b.atMs)
}

function problemsOfEnd(job: JudgedJob, lives: readonly Life[]): readonly string[] {
  const { end, orders } = job
  if (end === undefined) return []
  const problems: string[] = []
  const mayBeTaken = orders.some(({ answer }) => answer?.kind !== 'unknown')
  if (end.state === 'cancelled' && !mayBeTaken) problems.push('cancelled, and nobody asked for it')
  for (const { answer } of orders) {
    if (answer?.kind !== 'ended' || answer.state === DROPPED) continue
    if (answer.state !== end.state) {
      problems.push(`answered as ${answer.state} already, and ended ${end.state}`)
    }
  }
  return end.state === 'cancelled' ? problems : [...problems, ...overtakenProblems(job, end, lives)]
}

/** Of an order that was taken, where the job has another end: its holder was faster, or must be. */
function overtakenProblems(
  job: JudgedJob,
  end: NonNullable<JudgedJob['end']>,
  lives: readonly Life[]
): readonly string[] {
  const problems: string[] = []
  const taken = takenOf(job)
  const [first] = taken
  if (first === undefined) return []
  if (taken.some(({ verdict }) => verdict === 'cancelled')) {
    problems.push(`answered as cancelled, and ended ${end.state}`)
  }
  // Whoever ends a lost job that has the order ends it cancelled.
  if (end.reason === 'agent_lost' || end.reason === 'quarantined') {
    problems.push(`the order was taken, and it ended for ${end.reason}`)
  }
  const last = lives.at(-1)
  if (last === undefined || end.state === 'errored') return problems
  // Its script ran to its end, however long the engine took for the rest.
  const lateMs = last.startMs + job.seconds * 1_000 - first.atMs
  if (lateMs > HEARD_MS_MAX) {
    problems.push(`not heard of: its script ended ${lateMs} ms after the order was taken`)
  }
  return problems
}

function problemsOfLives(
  job: JudgedJob,
  lives: readonly Life[],
  healedMs: number
): readonly string[] {
  const { end, endShownMs, orders } = job
  const problems: string[] = []
  const last = Math.max(0, ...lives.map(({ endMs }) => endMs))
  if (end?.state === 'cancelled' && endShownMs !== undefined && last > endShownMs + GRAIN_MS) {
    problems.push(`a container lived ${last - endShownMs} ms beside its end`)
  }
  const isOpen = orders.every(({ answer }) => answer === undefined || VAGUE.has(answer.kind))
  if (job.gaveUp && isOpen && orders.every(({ sentMs }) => sentMs >= healedMs)) {
    problems.push('a healed mesh took no order')
  }
  const taken = takenOf(job)
  const [first] = taken
  if (first === undefined) return problems
  const over = taken.find(({ verdict }) => verdict === 'cancelled')
  if (over !== undefined && last > over.atMs + GRAIN_MS) {
    problems.push(`a container lived ${last - over.atMs} ms after it was answered as cancelled`)
  }
  const later = lives.filter(({ startMs }) => startMs > first.atMs)
  // One that was claimed before the order may still begin; nobody can claim it after that.
  if (later.length > 1) problems.push(`${later.length} containers began after the order was taken`)
  const epoch = taken.find((answer) => answer.epoch !== undefined)?.epoch ?? end?.epoch
  if (epoch !== undefined) {
    const epochs = [...lives.map(({ seen }) => seen.epoch), end?.epoch ?? 0]
    const newest = Math.max(...epochs)
    if (newest > epoch) problems.push(`claimed as epoch ${newest} after the order at ${epoch}`)
  }
  // The first order counts; which of two was first its register alone knows.
  const graceMs = Math.max(...orders.map((order) => order.graceMs ?? USUAL_GRACE_MS))
  const lateMs = last - Math.max(first.atMs, healedMs) - graceMs
  if (lateMs > GONE_MS_MAX) problems.push(`its container was there ${lateMs} ms after its grace`)
  return problems
}
