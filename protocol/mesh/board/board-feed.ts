import type { Board, BoardRun } from '../../core/board.ts'
import { codeOf } from '../../core/errors.ts'
import type { JobState } from '../../core/job.ts'
import { isTerminal } from '../../core/job.ts'
import { BOARD_QUEUE_MAX } from '../../core/limits.ts'
import type { Stage } from '../../core/messages.ts'
import type { Clock, Random } from '../../core/ports.ts'
import { isLost } from '../../core/roster-rules.ts'
import { jobIndexOf, runIdOf, type SealedAnnouncement } from '../../core/run.ts'
import type { Log } from '../../host/log.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { WitnessSets } from '../members/witness-sets.ts'
import type { RegisterClient } from '../registers/register-client.ts'
import type { PastRun } from './first-look.ts'
import { HistoryQueue } from './history-queue.ts'
import type { JobMoves } from './job-moves.ts'
import { type Lead, LeadQueue } from './lead-queue.ts'
import { type RunLedger, type RunLookup, refOf } from './run-ledger.ts'

export interface BoardFeedParts {
  readonly board: Board
  readonly ledger: RunLedger
  readonly client: Pick<RegisterClient, 'read'>
  readonly sets: WitnessSets
  readonly rosters: RosterView
  readonly moves: Pick<JobMoves, 'land'>
  readonly clock: Clock
  readonly random: Random
  readonly peerId: string
  readonly log: Log
}

interface ChosenJob {
  readonly state: JobState
  /** Of its register. */
  readonly witnessEpoch: number
}

export type BoardEvent =
  | { readonly kind: 'run'; readonly runId: string }
  | { readonly kind: 'job'; readonly jobId: string }

/**
 * Keeps the board by leads: "register R may be at version V", heard by gossip or SYNC. Each new one
 * costs one read of R, w small requests, whatever the number of those who told it; what is on the
 * board already costs nothing. At most BOARD_READS_MAX reads run side by side.
 */
export class BoardFeed {
  readonly #parts: BoardFeedParts
  readonly #queue: LeadQueue
  readonly #history: HistoryQueue
  readonly #emit: (event: BoardEvent) => void

  constructor(parts: BoardFeedParts, emit: (event: BoardEvent) => void) {
    this.#parts = parts
    this.#emit = emit
    this.#queue = new LeadQueue(parts, (lead, signal) => this.#follow(lead, signal))
    this.#history = new HistoryQueue(parts.clock, (run, signal) => this.#readPast(run, signal))
  }

  /** Room for leads: SYNC waits while there is none. */
  get room(): number {
    return this.#queue.room
  }

  /** Reads run or wait. */
  get busy(): boolean {
    return this.#queue.busy || this.#history.busy
  }

  async stop(): Promise<void> {
    await Promise.all([this.#queue.stop(), this.#history.stop()])
  }

  /** False where it is no news, or there is no room for it. */
  want(lead: Lead): boolean {
    if (!this.#isNews(lead)) return this.#tellExpired(lead)
    // What anybody can make up takes half of the queue at most.
    if (lead.source === 'gossip' && this.#queue.room < BOARD_QUEUE_MAX / 2) return false
    return this.#queue.add(lead)
  }

  /** A run that has ended, as far as a store shows: read when there is time. False without room. */
  past(run: PastRun): boolean {
    const { board } = this.#parts
    if (board.run(run.runId) === undefined) return this.#history.add(run)
    // Its jobs are on the board, and look queued until they are read.
    return this.room >= run.ended.size && this.#followAll([...run.ended.values()])
  }

  /**
   * For runs that a write or a read of our own showed as chosen, with what is known of their jobs.
   */
  addRun(sealed: SealedAnnouncement, ended: readonly ChosenJob[] = []): boolean {
    const { board, clock, ledger } = this.#parts
    ledger.note(sealed)
    const { runId } = sealed.announcement
    const isNew = board.addRun(sealed, clock.wallMs(), (epoch) => this.#isLost(epoch))
    if (!isNew) return board.run(runId) !== undefined
    // Before anybody hears of the run: its jobs would look queued to whoever looks for work.
    for (const { state, witnessEpoch } of ended) board.foldJob(state, clock.wallMs(), witnessEpoch)
    this.#emit({ kind: 'run', runId })
    for (const { state } of ended) this.#emit({ kind: 'job', jobId: state.register })
    const past = this.#history.take(runId)
    if (past !== undefined && !this.past(past)) this.#history.add(past)
    return true
  }

  /**
   * For chosen states of jobs, of their registers under `witnessEpoch`; those of a run that is not
   * on the board are left out.
   */
  foldJob(state: JobState, witnessEpoch: number, stage?: Stage): void {
    const { board, clock } = this.#parts
    const isNewer = board.foldJob(state, clock.wallMs(), witnessEpoch)
    const isFurther = stage !== undefined && board.stage(state.register, state.epoch, stage)
    if (isNewer || isFurther) this.#emit({ kind: 'job', jobId: state.register })
  }

  /** For a run of which a quorum says that it is gone. */
  dropRun(runId: string): void {
    const { board, ledger } = this.#parts
    const sealed = board.run(runId)?.sealed
    if (sealed !== undefined) ledger.forget(runId, sealed.announcement.witnessEpoch)
    if (board.drop(runId)) this.#emit({ kind: 'run', runId })
  }

  /** A hint of a state that we know: a witness says that its lease has run out. */
  #tellExpired({ register, version, source }: Lead): boolean {
    const job = this.#parts.board.job(register)
    const isSaid = source === 'gossip' && job?.state?.version === version
    if (isSaid && job?.state?.phase === 'leased') this.#emit({ kind: 'job', jobId: register })
    return false
  }

  #isNews({ register, witnessEpoch, version }: Lead): boolean {
    const { board } = this.#parts
    const shown = board.run(runIdOf(register))
    if (shown === undefined || this.#isBegunAnew(shown, witnessEpoch)) return true
    const job = board.job(register)
    // What an earlier register of it still holds was read before the job left it.
    if (job === undefined || witnessEpoch < job.witnessEpoch) return false
    if (job.state === undefined || witnessEpoch > job.witnessEpoch) return true
    return !isTerminal(job.state.phase) && version > job.state.version
  }

  /** Under a later witness epoch, where that of the run on the board was given up. */
  #isBegunAnew({ sealed }: BoardRun, witnessEpoch: number): boolean {
    const { witnessEpoch: before } = sealed.announcement
    return witnessEpoch > before && this.#isLost(before)
  }

  #isLost(witnessEpoch: number): boolean {
    return isLost(this.#parts.rosters.current()?.roster, witnessEpoch)
  }

  async #follow(lead: Lead, signal: AbortSignal): Promise<'done' | 'again'> {
    try {
      return await this.#read(lead, signal)
    } catch (error) {
      if (signal.aborted) return 'done'
      // One register that cannot be read must not end the feed of all others.
      const level = codeOf(error) === undefined ? 'error' : 'debug'
      this.#parts.log[level]({ err: error, register: lead.register }, 'lead failed')
      return 'again'
    }
  }

  async #read(lead: Lead, signal: AbortSignal): Promise<'done' | 'again'> {
    const { board } = this.#parts
    const shown = board.run(runIdOf(lead.register))
    if (shown === undefined || this.#isBegunAnew(shown, lead.witnessEpoch)) {
      // No room for it now: no read would change that.
      if (board.isFull) return 'again'
      const found = await this.#find(lead, signal)
      // A quorum has no such run: it was made up, or it never came to a quorum.
      if (found.kind === 'absent' || found.kind === 'gone') return 'done'
      // Of an epoch that was given up there may be no quorum ever again.
      if (found.kind === 'unknown') return this.#isLost(lead.witnessEpoch) ? 'done' : 'again'
      if (!this.addRun(found.sealed)) return 'again'
    }
    return jobIndexOf(lead.register) === undefined ? 'done' : await this.#readJob(lead, signal)
  }

  #followAll(leads: readonly Lead[]): boolean {
    for (const lead of leads) this.want(lead)
    return true
  }

  /** All of a run before the board has it: none of its jobs is taken for queued meanwhile. */
  async #readPast(run: PastRun, signal: AbortSignal): Promise<'done' | 'again'> {
    try {
      const read = await this.#findPast(run, signal)
      if (read !== undefined) return read
    } catch (error) {
      if (signal.aborted) return 'done'
      const level = codeOf(error) === undefined ? 'error' : 'debug'
      this.#parts.log[level]({ err: error, run: run.runId }, 'past run not read')
      return 'again'
    }
    // What is not as it was told is followed like anything else.
    const leads = [run.lead, ...run.ended.values()].filter((lead) => this.#isNews(lead))
    if (leads.length > this.room) return 'again'
    this.#followAll(leads)
    return 'done'
  }

  /** Undefined once the board may have it. */
  async #findPast(run: PastRun, signal: AbortSignal): Promise<'done' | 'again' | undefined> {
    const { board } = this.#parts
    if (board.run(run.runId) !== undefined) return
    if (board.isFull) return 'again'
    const found = await this.#find(run.lead, signal)
    if (found.kind === 'gone') return 'done'
    // Without a quorum all of the past would move over to where work is waiting.
    if (found.kind === 'unknown') return this.#isLost(run.lead.witnessEpoch) ? 'done' : 'again'
    if (found.kind === 'chosen') await this.#addPast(found.sealed, run, signal)
    return
  }

  async #addPast(
    sealed: SealedAnnouncement,
    { ended }: PastRun,
    signal: AbortSignal
  ): Promise<void> {
    const states: ChosenJob[] = []
    for (const lead of ended.values()) {
      const { register, witnessEpoch } = lead
      if (witnessEpoch < sealed.announcement.witnessEpoch) continue
      const ref = { ...refOf(sealed, register), witnessEpoch }
      const read = await this.#parts.client.read(ref, { settle: this.#settle(lead), signal })
      const state = read.kind === 'chosen' ? read.value : undefined
      // Whoever reads a stop-sign has to begin the job where it leads.
      if (state?.kind === 'job' && state.phase !== 'moved') states.push({ state, witnessEpoch })
    }
    this.addRun(sealed, states)
  }

  async #find(lead: Lead, signal: AbortSignal): Promise<RunLookup> {
    const { ledger } = this.#parts
    const { register, witnessEpoch, annHash, peers } = lead
    const options = { annHash, peers, settle: this.#settle(lead), signal }
    const found = await ledger.find(runIdOf(register), witnessEpoch, options)
    const isJob = jobIndexOf(register) !== undefined
    if (found.kind !== 'absent' || !isJob || annHash === undefined) return found
    return await ledger.findMoved(register, witnessEpoch, { ...options, annHash })
  }

  async #readJob(lead: Lead, signal: AbortSignal): Promise<'done' | 'again'> {
    const { board, client, moves } = this.#parts
    const { register, witnessEpoch } = lead
    const sealed = board.run(runIdOf(register))?.sealed
    if (sealed === undefined || !this.#isNews(lead)) return 'done'
    // An earlier run of that name, under an epoch that was given up.
    if (witnessEpoch < sealed.announcement.witnessEpoch) return 'done'
    const settle = this.#settle(lead)
    const ref = { ...refOf(sealed, register), witnessEpoch }
    const read = await client.read(ref, { settle, signal })
    if (read.kind === 'gone') {
      this.dropRun(runIdOf(register))
      return 'done'
    }
    if (read.kind !== 'chosen') return this.#isLost(witnessEpoch) ? 'done' : 'again'
    if (read.value?.kind !== 'job') return 'done'
    this.foldJob(read.value, witnessEpoch, read.stage)
    if (read.value.phase !== 'moved' || settle === 'never') return 'done'
    // Whoever moved it may have died before it began the new register.
    const { kind } = await moves.land(ref, read.value, signal)
    if (kind === 'gone') this.dropRun(runIdOf(register))
    return kind === 'unknown' ? 'again' : 'done'
  }

  // A half-written value is finished by its witnesses alone: with a thousand members at it, rounds
  // would only get in each other's way.
  #settle({ register, witnessEpoch }: Lead): 'write' | 'never' {
    const { sets, peerId } = this.#parts
    const witnesses = sets.of(register, witnessEpoch)?.witnesses ?? []
    return witnesses.some((witness) => witness.peerId === peerId) ? 'write' : 'never'
  }
}
