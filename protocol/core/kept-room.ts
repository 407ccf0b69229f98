import type { BoardJob } from './board-job.ts'
import { diskOf } from './capacity.ts'
import { footprintOf } from './footprint.ts'
import { lacksGpu } from './gpu-allocation.ts'
import { type AgentView, takesJobs } from './observation.ts'
import { byStanding, keysOf, placingOf, type Standing, standingOf } from './placement.ts'
import {
  ROOM_KEEPERS,
  ROOM_KEEPERS_ONE_IN,
  ROOM_KEPT_AFTER_MS,
  ROOM_KEPT_JOBS_MAX,
  ROOM_KEPT_LOOKS_MAX
} from './placement-limits.ts'
import type { TextDigest } from './ports.ts'
import { fallbackAtMs, preferred } from './preference.ts'
import { fits } from './requirements.ts'

/**
 * Which agents keep their room for which job, by peer id: each takes nothing that is younger until
 * that job has its room, or somebody else has taken it.
 *
 * Without it a large job would wait for ever on a busy mesh: whatever room comes free is enough for
 * a small one first. With it nothing starves: a job that no host has room for is some time, as
 * older ones end, among the oldest that wait; then its keepers take nothing new, and what they run
 * ends in time.
 *
 * `waiting` has the queued jobs that may be claimed, the oldest first. Agents whose views differ
 * keep a little more room, or a little later.
 */
export function keptRooms(
  waiting: readonly BoardJob[],
  agents: readonly AgentView[],
  nowMs: number,
  digest: TextDigest
): ReadonlyMap<string, string> {
  const takers = agents.filter(takesJobs)
  const most = Math.max(1, Math.floor(takers.length / ROOM_KEEPERS_ONE_IN))
  const kept = new Map<string, string>()
  let jobs = 0
  for (const job of waiting.slice(0, ROOM_KEPT_LOOKS_MAX)) {
    if (nowMs - job.issuedAtMs < ROOM_KEPT_AFTER_MS) break
    if (jobs >= ROOM_KEPT_JOBS_MAX || kept.size >= most) break
    const keepers = keepersOf(job, takers, kept, nowMs, digest).slice(0, most - kept.size)
    for (const peerId of keepers) kept.set(peerId, job.jobId)
    if (keepers.length > 0) jobs += 1
  }
  return kept
}

/** True for a younger job than the one that room is kept for. A lost one has waited already. */
export function isBehind(job: BoardJob, kept: BoardJob | undefined): boolean {
  if (kept === undefined || job.jobId === kept.jobId || job.state?.phase === 'leased') return false
  return job.issuedAtMs >= kept.issuedAtMs
}

/** Of those that could ever take the job the ones that have room, or will have it first. */
function keepersOf(
  job: BoardJob,
  takers: readonly AgentView[],
  kept: ReadonlyMap<string, string>,
  nowMs: number,
  digest: TextDigest
): readonly string[] {
  const wanted = nowMs < fallbackAtMs(job.spec, job.issuedAtMs) ? preferred(job, takers) : []
  const pool = wanted.length > 0 ? wanted : takers
  const placing = placingOf(job)
  const keys = keysOf(placing, digest)
  const able = pool.filter(({ advertisement }) => {
    return !kept.has(advertisement.peerId) && fits(job, advertisement).length === 0
  })
  return able
    .map(({ advertisement }) => {
      const standing = standingOf(placing, advertisement, keys, digest)
      return { ...standing, ready: readinessOf(job, advertisement) }
    })
    .sort(byReadiness)
    .slice(0, ROOM_KEEPERS)
    .map(({ peerId }) => peerId)
}

type Readying = Standing & { readonly ready: number }

function byReadiness(a: Readying, b: Readying): number {
  const isReady = Number(b.ready >= 1) - Number(a.ready >= 1)
  return isReady || a.tier - b.tier || b.ready - a.ready || byStanding(a, b)
}

/**
 * Share of what the job needs that is free already, at most 1: who has begun to keep room goes on,
 * and who has it does not give it to a younger job at the last moment.
 */
function readinessOf(job: BoardJob, advertisement: AgentView['advertisement']): number {
  const { spec, trust } = job
  const { free, capacity } = advertisement
  const { cpuMilli, memoryBytes } = footprintOf(spec)
  const lacks = spec.gpu !== undefined && lacksGpu({ request: spec.gpu, trust }, advertisement)
  return Math.min(
    // A GPU is held by one job and comes free at once: until then its host is only on the way.
    lacks === false || lacks === undefined ? 1 : 0.5,
    free.jobs,
    free.cpuMilli / Math.max(1, cpuMilli),
    free.memoryBytes / Math.max(1, memoryBytes),
    free.diskBytes / Math.max(1, diskOf(spec.resources, capacity))
  )
}
