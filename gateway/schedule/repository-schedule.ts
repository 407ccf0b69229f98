import type { RunOrigin } from '../../protocol/core/run.ts'
import type { GitAccess } from '../../protocol/host/git.ts'
import type { Log } from '../../protocol/host/log.ts'
import { parsePipeline } from '../../protocol/pipeline/parse-pipeline.ts'
import { PIPELINE_FILE } from '../forge/commit-cache.ts'
import type { CommitReader, RepositoryRef } from '../ports.ts'
import type { Repository } from '../repositories.ts'
import type { Arrival, Reception } from '../source-door.ts'
import { isSameRepository, type OrderedEvent, originOf } from '../source-event.ts'
import { type BranchHead, branchHead } from './branch-head.ts'
import { entriesFrom, nameOf, type ScheduleEntry } from './planned.ts'
import type { ScheduleRow } from './schedule-row.ts'

export interface RepositoryScheduleParts {
  readonly commits: Pick<CommitReader, 'read'>
  readonly access: (
    repository: RepositoryRef,
    signal: AbortSignal
  ) => Promise<GitAccess | undefined>
  readonly door: { admit(arrival: Arrival): Promise<Reception> }
  /** Whether the mesh has a run of that meaning already, on whatever commit. */
  readonly isKnown: (origin: RunOrigin) => boolean
  readonly log: Log
}

/** What the calendar does to one repository: reads its schedules, and starts its runs. */
export class RepositorySchedule {
  readonly #parts: RepositoryScheduleParts

  constructor(parts: RepositoryScheduleParts) {
    this.#parts = parts
  }

  /**
   * What is to be remembered of the file on the default branch. Rejects with FORGE_UNREACHABLE,
   * WORKSPACE_FETCH_FAILED and what a credential may fail of.
   */
  async read(
    repository: Repository,
    known: ScheduleRow | undefined,
    nowMs: number,
    signal: AbortSignal
  ): Promise<ScheduleRow> {
    const { name, url } = repository
    // Another repository under that name has a history of its own.
    const row = known !== undefined && isSameRepository(known.url, url) ? known : undefined
    const head = await this.#head(repository, undefined, signal)
    if (head === undefined) {
      const cause = 'it is empty, or its server is from before Git 1.8.5 and does not say'
      this.#parts.log.warn({ repository: name, cause }, 'no schedules: default branch unknown')
      return { repository: name, url, branch: '', commit: '', entries: [] }
    }
    const { branch, commit } = head
    if (row?.commit === commit && row.branch === branch) return { ...row, url }
    const { pipeline } = await this.#parts.commits.read(repository, commit, signal)
    const seen = { repository: name, url, branch, commit }
    if (pipeline.kind !== 'found') return { ...seen, entries: [] }
    const parsed = parsePipeline(pipeline.bytes, { file: PIPELINE_FILE })
    if (parsed.kind === 'error') {
      const facts = { repository: name, commit, problem: parsed.error.message }
      this.#parts.log.warn(facts, 'no schedules: the pipeline file is refused')
      return { ...seen, entries: [] }
    }
    const { schedules } = parsed.pipeline
    return { ...seen, entries: entriesFrom(schedules, row?.entries ?? [], nowMs) }
  }

  /**
   * Starts the run of a planned minute, once whoever asks. Rejects with FORGE_UNREACHABLE and as
   * the door does.
   */
  async run(
    repository: Repository,
    { cron, branch }: ScheduleEntry,
    minuteMs: number,
    nowMs: number,
    signal: AbortSignal
  ): Promise<void> {
    const { door, log, isKnown } = this.#parts
    const facts = { repository: repository.name, cron, minute: new Date(minuteMs).toISOString() }
    const head = await this.#head(repository, branch, signal)
    if (head === undefined) {
      log.warn({ ...facts, branch }, 'scheduled run left out: there is no such branch')
      return
    }
    const ref = `refs/heads/${head.branch}`
    const nonce = nameOf(cron, ref, minuteMs)
    // Without the forge's number: two gateways may know it at different times.
    const who = { repository: repository.name, kind: 'schedule' as const, pusher: '', inputs: {} }
    const event: OrderedEvent = { ...who, ref, commit: head.commit, nonce }
    if (isKnown(originOf(event, repository.url))) {
      log.debug(facts, 'another gateway has started this run')
      return
    }
    const arrival = { id: nonce, event, repository, receivedAtMs: nowMs }
    const { verdict, run, reason } = await door.admit({ ...arrival, bringer: 'schedule' })
    log.info({ ...facts, ref, verdict, run, reason }, 'scheduled run')
  }

  async #head(
    repository: Repository,
    branch: string | undefined,
    signal: AbortSignal
  ): Promise<BranchHead | undefined> {
    const access = await this.#parts.access(repository, signal)
    return await branchHead(repository.url, branch, access, signal)
  }
}
