import { median } from '../bench/figures.ts'
import { goneMs, takenOf } from './cancel-judge.ts'
import type { History, Violation } from './history.ts'
import { judged, overlapsOf, type SeenContainer, takeOvers } from './judge.ts'
import type { Ledger } from './ledger.ts'
import type { LoadCounts } from './load.ts'
import type { Nemesis } from './nemesis.ts'
import type { ChaosOptions } from './options.ts'

type Counts = Readonly<Record<string, number>>

export interface Report {
  readonly schema: 'chaos/1'
  readonly seed: number
  readonly minutes: number
  readonly seconds: number
  readonly pushes: LoadCounts
  readonly jobs: {
    readonly accepted: number
    readonly ended: Counts
    readonly lost: number
    readonly doubleOutcomes: number
    readonly longestMs: number
  }
  readonly cancels: CancelCounts
  readonly faults: { readonly total: number; readonly skipped: number; readonly kinds: Counts }
  readonly setBack: { readonly noticed: number; readonly unnoticed: number }
  readonly containers: {
    readonly seen: number
    readonly judged: number
    readonly overlaps: number
    readonly slowestLookMs: number
  }
  readonly takeOver: {
    readonly count: number
    readonly medianMs: number
    readonly longestMs: number
  }
  readonly violations: readonly Violation[]
}

/** Of jobs, but for `orders`: a job may get several. */
export interface CancelCounts {
  readonly orders: number
  /** At least one of their orders was answered as taken. */
  readonly taken: number
  /** ... with the job over at once; the others were left to their holders. */
  readonly atOnce: number
  /** Their order was taken, and they had another end before their holder heard of it. */
  readonly overtaken: number
  /** Had ended before. */
  readonly late: number
  /** No order of theirs had a definite answer. */
  readonly unsure: number
  /** From the answer to the end of the last container. */
  readonly longestGoneMs: number
}

export function reportOf(parts: {
  readonly options: ChaosOptions
  readonly ledger: Ledger
  readonly load: LoadCounts
  readonly nemesis: Nemesis
  readonly history: History
  readonly containers: readonly SeenContainer[]
  readonly slowestLookMs: number
}): Report {
  const { options, ledger, nemesis, history, containers } = parts
  const { violations } = history
  const taken = takeOvers(containers, nemesis.losses).toSorted((a, b) => a - b)
  const kinds = Object.fromEntries([...nemesis.counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return {
    schema: 'chaos/1',
    seed: options.seed,
    minutes: options.minutes,
    seconds: Math.round(history.nowMs / 1_000),
    pushes: parts.load,
    jobs: {
      accepted: ledger.jobs.length,
      ended: endsOf(ledger),
      lost: ledger.open.length,
      doubleOutcomes: violations.filter(({ what }) => what === 'two ends').length,
      longestMs: Math.max(0, ...ledger.jobs.map((job) => (job.endedMs ?? 0) - job.acceptedMs))
    },
    cancels: cancelsOf(ledger, containers),
    faults: {
      total: Object.values(kinds).reduce((sum, count) => sum + count, 0),
      skipped: nemesis.skipped,
      kinds
    },
    setBack: nemesis.setBack,
    containers: {
      seen: containers.length,
      judged: judged(containers),
      overlaps: overlapsOf(containers).length,
      slowestLookMs: parts.slowestLookMs
    },
    takeOver: {
      count: taken.length,
      medianMs: taken.length === 0 ? 0 : Math.round(median(taken)),
      longestMs: taken.at(-1) ?? 0
    },
    violations
  }
}

function endsOf(ledger: Ledger): Counts {
  const counts: Record<string, number> = {}
  for (const { end } of ledger.jobs) {
    if (end === undefined) continue
    const name = end.state === 'errored' ? `errored: ${end.reason}` : end.state
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

function cancelsOf({ jobs }: Ledger, containers: readonly SeenContainer[]): CancelCounts {
  const ordered = jobs.filter(({ orders }) => orders.length > 0)
  const taken = ordered.filter((job) => takenOf(job).length > 0)
  const rest = ordered.filter((job) => takenOf(job).length === 0)
  const late = rest.filter(({ orders }) => orders.some(({ answer }) => answer?.kind === 'ended'))
  const gone = taken.map((job) => goneMs(job, containers) ?? 0)
  return {
    orders: ordered.reduce((sum, { orders }) => sum + orders.length, 0),
    taken: taken.length,
    atOnce: taken.filter((job) => takenOf(job)[0]?.verdict === 'cancelled').length,
    overtaken: taken.filter(({ end }) => end?.state !== 'cancelled').length,
    late: late.length,
    unsure: rest.length - late.length,
    longestGoneMs: Math.max(0, ...gone)
  }
}

/** A few lines for people. */
export function textOf(report: Report): string {
  const { jobs, cancels, faults, containers, takeOver, pushes, violations } = report
  const list = (counts: Counts): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')
  return [
    `seed ${report.seed}, ${report.minutes} min of faults, ${report.seconds} s in all`,
    `${pushes.pushes} pushes, ${pushes.notTaken} not taken; ${jobs.accepted} jobs: ${list(jobs.ended)}`,
    `cancels: ${cancels.orders} orders; of jobs ${cancels.taken} taken (${cancels.atOnce} at once, ` +
      `${cancels.overtaken} overtaken), ${cancels.late} too late, ${cancels.unsure} unsure; ` +
      `containers gone within ${cancels.longestGoneMs} ms`,
    `${faults.total} faults (${faults.skipped} skipped): ${list(faults.kinds)}`,
    `${containers.seen} containers, ${containers.judged} judged by their lives`,
    `stores set back: ${report.setBack.noticed} noticed, ${report.setBack.unnoticed} not`,
    `take-over after a kill: ${takeOver.count}, median ${takeOver.medianMs} ms, ` +
      `longest ${takeOver.longestMs} ms`,
    `${cancels.taken} cancels taken, ${containers.overlaps} overlaps, ${jobs.lost} lost jobs, ${jobs.doubleOutcomes} double ` +
      `outcomes, ${violations.length} violations in all`,
    ''
  ].join('\n')
}
