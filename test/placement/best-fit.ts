import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { type Ledger, ledgerOf, release } from '../../protocol/core/capacity.ts'
import { fits, hasRoom, platformFor } from '../../protocol/core/requirements.ts'
import { SAMPLE_ORIGIN } from '../support/arbitrary-board.ts'
import { Events } from './events.ts'
import type { Work } from './jobs.ts'
import { coreMs, type Packing, type Placed } from './placed.ts'
import { roomIn, taken } from './room.ts'

/*
 * What somebody could do who knows how long each job will take, and every host at every moment:
 * best fit, in the better one of two orders.
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
  let waiting: number[] = []

  const begin = (index: number, at: number): void => {
    const [work, ledger, host] = [jobs[index], ledgers[at], hosts[at]]
    if (work === undefined || ledger === undefined || host === undefined) return
    ledgers[at] = taken(ledger, host, `${index}`, work.spec) ?? ledger
    const startMs = events.nowMs
    placed.push({ work, host: at, startMs, endMs: startMs + work.nativeMs })
    events.after(work.nativeMs, () => {
      ledgers[at] = release(ledgers[at] ?? ledger, `${index}`)
      fill([at])
    })
  }
  const fill = (among: readonly number[]): void => {
    waiting = waiting.filter((index) => {
      const at = tightest(jobs[index], able[index] ?? [], among, { hosts, ledgers })
      if (at !== undefined) begin(index, at)
      return at === undefined
    })
  }
  const everywhere = hosts.map((_, at) => at)
  for (const [index, { announcedAtMs }] of jobs.entries()) {
    events.after(announcedAtMs, () => {
      const at = tightest(jobs[index], able[index] ?? [], everywhere, { hosts, ledgers })
      if (at !== undefined) begin(index, at)
      // In the order of `jobs`, which is what to begin with.
      else waiting = [...waiting, index].sort((a, b) => a - b)
    })
  }
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
  {
    hosts,
    ledgers
  }: { readonly hosts: readonly Advertisement[]; readonly ledgers: readonly Ledger[] }
): number | undefined {
  let best: { readonly at: number; readonly left: number } | undefined
  for (const at of among) {
    const [ledger, host] = [ledgers[at], hosts[at]]
    if (job === undefined || ledger === undefined || host === undefined) continue
    if (able[at] !== true) continue
    const room = roomIn(ledger, host)
    if (!hasRoom({ spec: job.spec, trust: 'trusted' }, room)) continue
    const { cpuMilli, memoryBytes } = job.spec.resources
    const left =
      (room.free.cpuMilli - cpuMilli) / room.capacity.cpuMilli +
      (room.free.memoryBytes - memoryBytes) / room.capacity.memoryBytes +
      // Cores beside a GPU are for those who need both.
      (job.spec.gpu === undefined && (host.gpus ?? []).length > 0 ? 2 : 0)
    if (best === undefined || left < best.left) best = { at, left }
  }
  return best?.at
}
