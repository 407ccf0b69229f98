import type { Advertisement } from './advertisement.ts'
import type { BoardJob } from './board-job.ts'
import { Groups } from './groups.ts'
import { jobOriginOf } from './host-policy.ts'
import { isTerminal, type JobState } from './job.ts'
import {
  formatCursor,
  type JobCursor,
  type JobFilter,
  matchesJob,
  matchesRun
} from './job-filter.ts'
import { BOARD_RUNS_MAX } from './limits.ts'
import type { Stage } from './messages.ts'
import { landingOf } from './move.ts'
import type { AgentView } from './observation.ts'
import { jobIdOf, jobIndexOf, runIdOf, type SealedAnnouncement } from './run.ts'
import { RunOrder } from './run-order.ts'
import { type RunStatus, runStatusOf } from './run-state.ts'
import { Shares } from './shares.ts'
import { readTypedId, ShortIds, shortJobId } from './short-id.ts'
import { Sightings } from './sightings.ts'

export interface BoardRun {
  readonly sealed: SealedAnnouncement
  /** Wall clock of this member, milliseconds. */
  readonly firstSeenMs: number
}

export interface JobPage {
  readonly jobs: readonly BoardJob[]
  /** Ask again with this; undefined on the last page. */
  readonly next: string | undefined
}

interface Entry extends BoardRun {
  readonly jobs: BoardJob[]
  /** Jobs that are not terminal. */
  open: number
}

export interface BoardOptions {
  readonly runsMax?: number | undefined
}

/**
 * What one member knows of all runs, jobs and agents, folded from chosen values and advertisements:
 * a read model, never the truth. Has no clock; callers pass their own.
 */
export class Board {
  readonly #runs = new Map<string, Entry>()
  readonly #order = new RunOrder()
  readonly #ids = new ShortIds()
  readonly #agents = new Sightings()
  readonly #shares = new Shares()
  readonly #groups = new Groups()
  readonly #runsMax: number

  constructor(options: BoardOptions = {}) {
    this.#runsMax = options.runsMax ?? BOARD_RUNS_MAX
  }

  /**
   * Adds a chosen run. False where it is known, or where the board is full of open runs: `isFull`
   * tells which. A run that came later must not push out one that still has to run. One that was
   * begun anew takes the place of the one under a witness epoch that was given up.
   */
  addRun(
    sealed: SealedAnnouncement,
    wallMs: number,
    isLost: (witnessEpoch: number) => boolean = () => false
  ): boolean {
    const { runId, witnessEpoch, issuedAtMs, manifest } = sealed.announcement
    const known = this.#runs.get(runId)
    if (known !== undefined) {
      const { witnessEpoch: before } = known.sealed.announcement
      if (witnessEpoch <= before || !isLost(before)) return false
      this.#drop(runId, known)
    }
    if (!this.#makeRoom()) return false
    const { trust } = manifest
    const origin = jobOriginOf(manifest)
    const jobs = manifest.jobs.map((spec, index): BoardJob => {
      const state = undefined
      const fresh = { state, stage: undefined, changedAtMs: wallMs, holderSinceMs: undefined }
      const jobId = jobIdOf(runId, index)
      return { jobId, runId, spec, issuedAtMs, trust, origin, witnessEpoch, ...fresh }
    })
    this.#runs.set(runId, { sealed, firstSeenMs: wallMs, jobs, open: jobs.length })
    this.#order.add({ issuedAtMs, runId })
    this.#ids.add(runId)
    return true
  }

  /**
   * Takes a chosen job state of the register under `witnessEpoch`, the run's own where absent, if it
   * is newer. False for older ones and for jobs of unknown runs. A stop-sign is shown as the job
   * that it sends on: whoever comes first begins it there with these very bytes.
   */
  foldJob(chosen: JobState, wallMs: number, witnessEpoch = 0): boolean {
    const state = landingOf(chosen) ?? chosen
    const entry = this.#runs.get(runIdOf(state.register))
    const job = entry?.jobs[jobIndexOf(state.register) ?? -1]
    if (entry === undefined || job === undefined || job.jobId !== state.register) return false
    // A register made from another announcement is another job: its outcome says nothing here.
    if (state.annHash !== entry.sealed.annHash) return false
    if (job.state !== undefined && state.version <= job.state.version) return false
    const leased = state.phase === 'leased'
    const goesOn = leased && isLeased(job) && job.state?.epoch === state.epoch
    const next: BoardJob = {
      ...job,
      state,
      witnessEpoch: Math.max(job.witnessEpoch, witnessEpoch, chosen.moved?.witnessEpoch ?? 0),
      stage: goesOn ? job.stage : undefined,
      changedAtMs: wallMs,
      holderSinceMs: leased && !goesOn ? wallMs : job.holderSinceMs
    }
    if (!goesOn) this.#noteLease(job, next, wallMs)
    entry.jobs[job.spec.index] = next
    if (isTerminal(state.phase) && !isEnded(job)) entry.open -= 1
    return true
  }

  /** Notes where an attempt is. False unless the job is leased under exactly this epoch. */
  stage(jobId: string, epoch: number, stage: Stage): boolean {
    const entry = this.#runs.get(runIdOf(jobId))
    const job = this.job(jobId)
    if (entry === undefined || job === undefined) return false
    if (!isLeased(job) || job.state?.epoch !== epoch || sameStage(job.stage, stage)) return false
    entry.jobs[job.spec.index] = { ...job, stage }
    return true
  }

  /** For a run that its witnesses have dropped. False where it is not here. */
  drop(runId: string): boolean {
    const entry = this.#runs.get(runId)
    if (entry === undefined) return false
    this.#drop(runId, entry)
    return true
  }

  get size(): number {
    return this.#runs.size
  }

  /** True while no run can be added: all that are held are still open. */
  get isFull(): boolean {
    return this.#runs.size >= this.#runsMax && this.#oldestEnded() === undefined
  }

  run(runId: string): BoardRun | undefined {
    return this.#runs.get(runId)
  }

  job(jobId: string): BoardJob | undefined {
    const job = this.#runs.get(runIdOf(jobId))?.jobs[jobIndexOf(jobId) ?? -1]
    return job?.jobId === jobId ? job : undefined
  }

  /** Newest first. */
  runs(): readonly BoardRun[] {
    return [...this.#order.newest()].flatMap((runId) => this.#runs.get(runId) ?? [])
  }

  /** In the order of the pipeline file; empty for an unknown run. */
  jobsOf(runId: string): readonly BoardJob[] {
    return [...(this.#runs.get(runId)?.jobs ?? [])]
  }

  /** Undefined for an unknown run: it may still be `received`. */
  runStatus(runId: string): RunStatus | undefined {
    const entry = this.#runs.get(runId)
    if (entry === undefined) return undefined
    const phases = entry.jobs.map((job) => job.state?.phase ?? 'queued')
    return runStatusOf(entry.sealed.announcement.manifest, phases)
  }

  /** All that match, newest run first, then in the order of the pipeline file. */
  jobs(filter: JobFilter = {}): readonly BoardJob[] {
    return [...this.#matching(filter, undefined)].map((row) => row.job)
  }

  /** One page of the same list. `after` is where the page before it ended. */
  page(filter: JobFilter, after: JobCursor | undefined, limit: number): JobPage {
    const jobs: BoardJob[] = []
    let last: JobCursor | undefined
    for (const { job, issuedAtMs } of this.#matching(filter, after)) {
      if (jobs.length >= limit) {
        return { jobs, next: last === undefined ? undefined : formatCursor(last) }
      }
      jobs.push(job)
      last = { issuedAtMs, runId: job.runId, index: job.spec.index }
    }
    return { jobs, next: undefined }
  }

  /** Jobs that are queued or leased, oldest run first. */
  openJobs(): readonly BoardJob[] {
    const open: BoardJob[] = []
    for (const runId of this.#order.oldest()) {
      const entry = this.#runs.get(runId)
      if (entry === undefined || entry.open === 0) continue
      open.push(...entry.jobs.filter((job) => !isEnded(job)))
    }
    return open
  }

  /** Milliseconds of leases that each repository had lately, of those that ended before here. */
  usedMs(wallMs: number): ReadonlyMap<string, number> {
    return this.#shares.usedMs(wallMs)
  }

  /** Wall clock here when a job of the group last had a lease; undefined where none is known of. */
  groupRanMs(group: string): number | undefined {
    return this.#groups.ranMs(group)
  }

  /** Ids of the jobs that `text` may mean (decision 18), of at most FIND_CANDIDATES_MAX runs. */
  find(text: string): readonly string[] {
    const typed = readTypedId(text)
    if (typed === undefined) return []
    const { prefix, index } = typed
    const jobs = this.#ids.match(prefix).flatMap((runId) => this.jobsOf(runId))
    return jobs.filter((job) => index === undefined || job.spec.index === index).map((j) => j.jobId)
  }

  /** Runs that `prefix` may mean. */
  findRuns(prefix: string): readonly string[] {
    return this.#ids.match(prefix)
  }

  /** The job's id as people see it, `7K3QF2.0`. */
  shortId(jobId: string): string {
    return shortJobId(this.#ids, runIdOf(jobId), jobIndexOf(jobId) ?? 0)
  }

  /** The run's id as people see it. */
  shortRunId(runId: string): string {
    return this.#ids.shorten(runId)
  }

  /** False where it is no news. `bootMs` is this member's boot clock, as in `agents`. */
  foldAdvertisement(advertisement: Advertisement, bootMs: number): boolean {
    return this.#agents.hear(advertisement, bootMs)
  }

  /** `down` once every connection to the peer is gone. */
  foldLink(peerId: string, state: 'up' | 'down'): void {
    this.#agents.link(peerId, state)
  }

  /** For a peer that is no member any more. */
  forgetAgent(peerId: string): void {
    this.#agents.forget(peerId)
  }

  /** Every agent heard so far, by name. */
  agents(bootMs: number): readonly AgentView[] {
    return this.#agents.views(bootMs)
  }

  agent(peerId: string, bootMs: number): AgentView | undefined {
    return this.#agents.view(peerId, bootMs)
  }

  *#matching(
    filter: JobFilter,
    after: JobCursor | undefined
  ): Generator<{ readonly job: BoardJob; readonly issuedAtMs: number }> {
    for (const runId of this.#order.newest(after)) {
      const entry = this.#runs.get(runId)
      if (entry === undefined) continue
      const { issuedAtMs, manifest } = entry.sealed.announcement
      if (!matchesRun({ runId, issuedAtMs, manifest }, filter)) continue
      const from = after?.runId === runId ? after.index + 1 : 0
      for (const job of entry.jobs.slice(from)) {
        if (matchesJob(job, filter)) yield { job, issuedAtMs }
      }
    }
  }

  /** Of a lease that is over: its repository has had that much of the mesh. */
  #noteLease(job: BoardJob, next: BoardJob, wallMs: number): void {
    if (isLeased(job) || isLeased(next)) this.#groups.ran(job, wallMs)
    if (!isLeased(job)) return
    this.#shares.ended(job.origin.repository, job.holderSinceMs ?? wallMs, wallMs)
  }

  #makeRoom(): boolean {
    if (this.#runs.size < this.#runsMax) return true
    const runId = this.#oldestEnded()
    return runId !== undefined && this.drop(runId)
  }

  #drop(runId: string, { sealed }: Entry): void {
    this.#runs.delete(runId)
    this.#order.remove({ issuedAtMs: sealed.announcement.issuedAtMs, runId })
    this.#ids.remove(runId)
  }

  #oldestEnded(): string | undefined {
    for (const runId of this.#order.oldest()) {
      if (this.#runs.get(runId)?.open === 0) return runId
    }
    return undefined
  }
}

function isLeased(job: BoardJob): boolean {
  return job.state?.phase === 'leased'
}

function isEnded(job: BoardJob): boolean {
  return job.state !== undefined && isTerminal(job.state.phase)
}

function sameStage(a: Stage | undefined, b: Stage): boolean {
  return a?.name === b.name && a.step === b.step && a.steps === b.steps
}
