import { PRIORITY_AGE_MS } from './graph-limits.ts'

/** What the order of queued jobs rests on. */
export interface Queued {
  readonly jobId: string
  readonly repository: string
  /** Of its repository's jobs only. */
  readonly priority: number
  /** Of the announcement, the gateway's wall clock. */
  readonly issuedAtMs: number
}

export interface SharesOf {
  /** Jobs of each repository that run now, anywhere in the mesh. */
  readonly running: ReadonlyMap<string, number>
  /** Milliseconds of the mesh that each has had lately. */
  readonly usedMs: ReadonlyMap<string, number>
}

/**
 * The order in which queued jobs are looked at: first the repository with the fewest jobs running,
 * of those the one that has had least lately, of those the one that waits longest. Each job that is
 * placed counts as running for those behind it, so that repositories take turns.
 *
 * Within a repository a point of priority counts as PRIORITY_AGE_MS of age. So nothing starves: a
 * job waits for no job of its repository that is younger by more than the whole range of priorities
 * is worth, and for another repository only while that one has had less.
 *
 * `jobs` may come in any order; equal ones keep theirs. At most `most` of them are placed: a board
 * has thousands, and nobody claims so many at once.
 */
export function fairOrder<Job extends Queued>(
  jobs: readonly Job[],
  { running, usedMs }: SharesOf,
  most: number = jobs.length
): readonly Job[] {
  const lines = linesOf(jobs)
  const order: Job[] = []
  const queue = lines.map(({ repository, jobs: own }) => ({
    jobs: own,
    at: 0,
    running: running.get(repository) ?? 0,
    usedMs: usedMs.get(repository) ?? 0
  }))
  while (order.length < most) {
    let first: (typeof queue)[number] | undefined
    for (const line of queue) {
      if (line.at < line.jobs.length && (first === undefined || isBefore(line, first))) first = line
    }
    const job = first?.jobs[first.at]
    if (first === undefined || job === undefined) break
    order.push(job)
    first.at += 1
    first.running += 1
  }
  return order
}

/** Lower goes first: when the job was announced, moved by its priority. */
export function turnMs({ issuedAtMs, priority }: Queued): number {
  return issuedAtMs - priority * PRIORITY_AGE_MS
}

interface Line<Job> {
  readonly repository: string
  readonly jobs: readonly Job[]
}

function linesOf<Job extends Queued>(jobs: readonly Job[]): readonly Line<Job>[] {
  const lines = new Map<string, Job[]>()
  for (const job of jobs) {
    const line = lines.get(job.repository)
    if (line === undefined) lines.set(job.repository, [job])
    else line.push(job)
  }
  return [...lines].map(([repository, own]) => {
    return { repository, jobs: own.sort((a, b) => turnMs(a) - turnMs(b)) }
  })
}

interface Place {
  readonly jobs: readonly Queued[]
  readonly at: number
  readonly running: number
  readonly usedMs: number
}

function isBefore(a: Place, b: Place): boolean {
  if (a.running !== b.running) return a.running < b.running
  if (a.usedMs !== b.usedMs) return a.usedMs < b.usedMs
  const [one, other] = [a.jobs[a.at], b.jobs[b.at]]
  // Not by priority: one repository's own must not push another's back.
  return one !== undefined && other !== undefined && one.issuedAtMs < other.issuedAtMs
}
