import { type AdoptionParts, recoverAttempt } from './claim/adoption.ts'
import { pause } from './claim/ending.ts'
import { type Candidate, settleRecords } from './claim/recovery.ts'
import type { Life } from './life.ts'
import type { Lifeline } from './lifeline/lifeline.ts'
import type { HostProfile } from './probe/host-profile.ts'

/** How long a starting agent waits for its earlier attempts to be settled before it takes jobs. */
const SETTLE_MS_MAX = 15_000
/** How often a starting agent looks for a quorum, and for its guardian. */
const READY_CHECK_MS = 100

export interface StartParts {
  readonly recovery: AdoptionParts
  readonly life: Pick<Life, 'tell'>
  readonly lifeline: Pick<Lifeline, 'holds'>
  readonly host: Pick<HostProfile, 'problems' | 'trial' | 'tryRuntimes'>
  readonly hasQuorum: () => boolean
  /** Of the mesh's lease profile. */
  readonly killBudgetMs: () => number
  /** Called once the engine's other runtimes were tried. */
  readonly onRuntimes: () => void
}

/**
 * Waits for a quorum, settles what an earlier process left, and only then tells the agent's life
 * that it may take jobs. Resolves early, and tells nothing, once the signal is aborted.
 */
export async function settleIn(
  { recovery, life, lifeline, host, hasQuorum, killBudgetMs, onRuntimes }: StartParts,
  candidates: readonly Candidate[],
  signal: AbortSignal
): Promise<void> {
  const { clock } = recovery
  // At once: each job has witnesses of its own, and a deadline that does not wait.
  const recovered = candidates.map((candidate) => recoverAttempt(recovery, candidate, signal))
  // Beside the waiting: what goes on must not lose its lease to a slow engine.
  const tried = host.trial()
  while (!signal.aborted && !hasQuorum()) await pause(clock, READY_CHECK_MS, signal)
  const settled = Promise.all([settleRecords(recovery, candidates, signal), ...recovered])
  // A run that nobody can tell us of any more must not keep the agent from new jobs for ever.
  await Promise.race([settled, pause(clock, SETTLE_MS_MAX, signal)])
  if (signal.aborted) return
  life.tell({ kind: 'quorum_answered' })
  while (!signal.aborted && !lifeline.holds) await pause(clock, READY_CHECK_MS, signal)
  await tried
  if (signal.aborted) return
  // A blocking problem, no static busybox say, keeps the agent from taking jobs it cannot run.
  const blocking = host.problems.filter((problem) => problem.blocking)
  if (blocking.length > 0) {
    recovery.log.warn({ problems: blocking }, 'no jobs are taken here')
    return
  }
  life.tell({ kind: 'probed' })
  // Last of all, and in nobody's way: one that hangs takes its time, and most jobs ask for none.
  await host.tryRuntimes(killBudgetMs(), signal)
  if (!signal.aborted) onRuntimes()
}
