import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { freeOf, type Ledger, ledgerOf, release, reserve } from '../../protocol/core/capacity.ts'
import { fits, hasRoom, platformFor } from '../../protocol/core/requirements.ts'
import { SAMPLE_ORIGIN } from '../support/arbitrary-board.ts'
import { Events } from './events.ts'
import { coreMs, type Packing, type Placed } from './placed.ts'
import type { Work } from './jobs.ts'

/*
 * What somebody could do who knows all jobs before the first begins, how long each will take, and
 * every host at every moment: best fit, in the better one of two orders.
 */

type Order = (a: Work, b: Work) => number

const LONGEST_FIRST: Order = (a, b) => b.nativeMs - a.nativeMs
const MOST_WORK_FIRST: Order = (a, b) => coreMs(b) - coreMs(a)

export function bestFit(hosts: readonly Advertisement[], jobs: readonly Work[]): Packing {
  const packings = [LONGEST_FIRST, MOST_WORK_FIRST].map((order) => {
    return packed(hosts, jobs.toSorted(order))
  })
  return packings.reduce((best, next) => (next.endMs < best.endMs ? next : best))
}

function packed(hosts: readonly Advertisement[], jobs: readonly Work[]): Packing {
  const events = new Events()
  const ledgers = hosts.map(({ capacity }) => ledgerOf(capacity))
  const able = jobs.map((job) => hosts.map((host) => isNativeFit(job, host)))
  const placed: Placed[] = []
  let waiting = jobs.map((_, index) => index)

  const begin = (index: number, at: number): void => {
    const [work, ledger] = [jobs[index], ledgers[at]]
    if (work === undefined || ledger === undefined) return
    ledgers[at] = reserve(ledger, `${index}`, work.spec.resources).ledger
    const startMs = events.nowMs
    placed.push({ work, host: at, startMs, endMs: startMs + work.nativeMs })
    events.after(work.nativeMs, () => {
      ledgers[at] = release(ledgers[at] ?? ledger, `${index}`)
      fill([at])
    })
  }
  const fill = (among: readonly number[]): void => {
    waiting = waiting.filter((index) => {
      const at = tightest(jobs[index], able[index] ?? [], among, ledgers)
      if (at !== undefined) begin(index, at)
      return at === undefined
    })
  }
  fill(hosts.map((_, at) => at))
  events.run(() => false)
  return { placed, endMs: events.nowMs }
}

function isNativeFit({ spec, repository }: Work, host: Advertisement): boolean {
  const origin = { ...SAMPLE_ORIGIN, repository }
  if (fits({ spec, trust: 'trusted', origin }, host).length > 0) return false
  return platformFor(spec, host.platforms)?.native === true
}

/** The host that has least left beside the job, of its cores and its memory. */
function tightest(
  job: Work | undefined,
  able: readonly boolean[],
  among: readonly number[],
  ledgers: readonly Ledger[]
): number | undefined {
  let best: { readonly at: number; readonly left: number } | undefined
  for (const at of among) {
    const ledger = ledgers[at]
    if (job === undefined || ledger === undefined || able[at] !== true) continue
    const { capacity } = ledger
    const free = freeOf(ledger)
    if (!hasRoom(job.spec, { free, capacity })) continue
    const { cpuMilli, memoryBytes } = job.spec.resources
    const left =
      (free.cpuMilli - cpuMilli) / capacity.cpuMilli +
      (free.memoryBytes - memoryBytes) / capacity.memoryBytes
    if (best === undefined || left < best.left) best = { at, left }
  }
  return best?.at
}
