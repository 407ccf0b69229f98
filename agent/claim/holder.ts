import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Cancellation, Outcome } from '../../protocol/core/job.ts'
import {
  type LeaseEffect,
  type LeaseEvent,
  type LeaseHold,
  type LossReason,
  resumeHold,
  startHold,
  stepHold
} from '../../protocol/core/lease.ts'
import { type LeaseProfile, profileOf } from '../../protocol/core/lease-profile.ts'
import type { Stage } from '../../protocol/core/messages.ts'
import { attemptOf } from '../../protocol/core/retries.ts'
import type { AttemptProgress, AttemptRecord } from '../../protocol/store/attempt-store.ts'
import type { DeadlineFile } from '../execute/deadline-file.ts'
import { endEventOf, renewalEventOf } from './claim-event.ts'
import { type Ended, endingOf, type Interrupted, lessonOf } from './conclusion.ts'
import { confirmGone } from './confirm-gone.ts'
import { type EndBody, endLease } from './ending.ts'
import { type HolderParts, isCancelled, releasesOf, type WonClaim } from './holder-parts.ts'
import { openLog } from './job-log.ts'
import { neededBy } from './needed.ts'
import type { HeldLease } from './ports.ts'
import type { Lesson } from './rests.ts'
import { StepsEnd } from './steps-end.ts'

/**
 * Holds one lease from the won claim to its recorded end: renews it, keeps the guard's deadline,
 * runs the attempt and says how it ended. `run` resolves once nothing of the attempt is left here.
 */
export class Holder {
  readonly jobId: string
  readonly claimId: string
  readonly #parts: HolderParts
  readonly #won: WonClaim
  readonly #epoch: number
  readonly #end: StepsEnd
  readonly #terminate = new AbortController()
  /** Aborted when the process must end: open proposals are left to the next boot. */
  readonly #quit = new AbortController()
  #hold: LeaseHold | undefined
  #deadline: DeadlineFile | undefined
  #stage: Stage
  #cancelled: Cancellation | undefined
  #userCodeRan = false
  #told: AttemptRecord['told']
  #isLeft = false
  #progress: AttemptProgress | undefined
  #disarm: (() => void) | undefined
  #start: PromiseWithResolvers<'start' | 'lost'> = Promise.withResolvers()

  constructor(parts: HolderParts, won: WonClaim) {
    this.#parts = parts
    this.#won = won
    this.jobId = won.jobId
    this.claimId = won.claimId
    this.#epoch = won.state.epoch
    this.#stage = { name: 'claimed', step: 0, steps: won.spec.steps.length }
    this.#progress = won.progress
    this.#userCodeRan = won.progress !== undefined
    this.#told = won.told
    this.#end = new StepsEnd({ clock: parts.clock, tell: (reason) => this.#tell(reason) })
  }

  /** True once `run` has ended and nobody has seen its container gone. */
  get isLeft(): boolean {
    return this.#isLeft
  }

  /** Never rejects. */
  async run(): Promise<Lesson> {
    try {
      if (this.#progress === undefined) await this.#put('starting', undefined)
      const ended = await this.#ended()
      await this.#finish(ended)
      return lessonOf(ended)
    } catch (error) {
      const facts = { job: this.jobId, epoch: this.#epoch }
      this.#parts.log.error({ ...facts, err: error }, 'attempt not settled')
      this.#isLeft = true
      return { kind: 'failed', fault: 'host', message: causeOf(error) }
    } finally {
      this.#disarm?.()
      this.#end.over()
      await this.#forgetDeadline()
    }
  }

  /** Ends the attempt: `drained` gives the lease back. */
  stop(): void {
    this.#end.begin('drained')
    this.#end.cut()
  }

  /** The process ends now: what is not recorded is left to the next boot. */
  quit(): void {
    this.#quit.abort()
    this.#end.begin('drained')
    this.#end.cut()
  }

  #tell(reason: AttemptRecord['told']): Promise<void> | undefined {
    this.#told = reason
    // Once it is gone its record is for how it ended.
    if (this.#progress === undefined || this.#hold?.container === 'gone') return
    return this.#put('running', undefined)
  }

  /** How the attempt ended, its container confirmed gone unless it has an outcome. */
  async #ended(): Promise<Ended> {
    const ended = await this.#attempt().catch((error: unknown) => this.#failed(error))
    if (ended.left === undefined) return ended
    const facts = { job: this.jobId, epoch: this.#epoch }
    this.#parts.log.error({ ...facts, err: ended.left }, 'sandbox not confirmed gone')
    // A finished job must not run again because its box is hard to remove: the reaper gets what is
    // left. Given back it may be only without a container (4.12.13); else another would run too.
    if (ended.kind === 'interrupted') await confirmGone(this.#parts, this, this.#quit.signal)
    else this.#isLeft = true
    return ended
  }

  /** The lease is held and nothing could be done with it: no folder, no log, no record. */
  #failed(error: unknown): Interrupted {
    const { jobId: job } = this
    this.#parts.log.error({ job, epoch: this.#epoch, err: error }, 'attempt not started')
    const left = error instanceof Error ? error : new Error(String(error))
    const common = { kind: 'interrupted', reason: 'sandbox_failed', fault: 'host' } as const
    return { ...common, userCodeRan: this.#userCodeRan, message: left.message, left }
  }

  async #attempt(): Promise<Ended> {
    const { clock } = this.#parts
    this.#deadline = await this.#parts.openDeadline(this.jobId, this.claimId)
    const profile = this.#profile()
    const begin = this.#progress === undefined ? startHold : resumeHold
    const [hold, effects] = begin(profile, this.#won.startedAtMs, clock.bootMs())
    this.#hold = hold
    if (hold.lost === undefined) await this.#deadline.write(hold.deadlineMs)
    this.#apply(effects.filter((effect) => effect.kind !== 'write_deadline'))
    if (this.#progress !== undefined) return await this.#execute()
    this.#step({ kind: 'ready', nowMs: clock.bootMs() })
    const onAbort = (): void => this.#start.resolve('lost')
    this.#end.signal.addEventListener('abort', onAbort, { once: true })
    if (this.#end.signal.aborted) onAbort()
    if ((await this.#start.promise) === 'lost') return this.#neverStarted()
    return await this.#execute()
  }

  /** The lease's own: witnesses take it over by its length, whatever the roster says since. */
  #profile(): LeaseProfile {
    const { registers } = this.#parts
    const { lease } = this.#won.state
    return profileOf(lease?.leaseMs ?? 0) ?? registers.leaseProfile(this.jobId)
  }

  /** Where the job is now: it may have moved since it was claimed. */
  #witnessEpoch(): number {
    const { witnessEpoch } = this.#won.sealed.announcement
    return this.#parts.registers.witnessEpochOf(this.jobId) ?? witnessEpoch
  }

  #neverStarted(): Ended {
    const message = 'the lease ended before anything was started'
    return { kind: 'interrupted', reason: 'lease_lost', userCodeRan: false, message }
  }

  async #execute(): Promise<Ended> {
    const { registers } = this.#parts
    const { jobId, claimId } = this
    const { announcement } = this.#won.sealed
    const { attemptLog, resume } = await openLog(this.#parts, this.#won)
    const needed = await neededBy(this.#parts, this.#won, this.#end.signal)
    const running = this.#parts.executor.run({
      needed,
      jobId,
      runId: announcement.runId,
      epoch: this.#epoch,
      claimId,
      attempt: attemptOf(this.#won.state),
      givenBack: this.#won.state.history.filter(({ end }) => end === 'released').length,
      witnessEpoch: announcement.witnessEpoch,
      manifest: announcement.manifest,
      spec: this.#won.spec,
      gpus: this.#won.gpus,
      deadline: this.#deadlineFile(),
      deadlineMs: () => this.#hold?.deadlineMs ?? 0,
      signal: this.#end.signal,
      graceMs: () => this.#cancelled?.graceMs,
      kill: this.#end.kill,
      terminate: this.#terminate.signal,
      onStage: (stage) => {
        this.#stage = stage
        registers.board.stage(jobId, this.#epoch, stage)
      },
      onPhase: (phase, ms) => this.#phase(phase, ms),
      resume,
      ...releasesOf(this.#parts, this.#won),
      onStep: async (progress) => {
        // The step before may have answered the SIGTERM of a cancel with exit code 0.
        if (isCancelled(this.#won)) return this.#end.atOnce('cancelled')
        // What a step wrote is read again only while it is the last one.
        await attemptLog.flushed()
        this.#userCodeRan = true
        this.#progress = progress
        await this.#put('running', undefined)
      },
      log: (step, stream, text) => attemptLog.write(step, stream, text)
    })
    const summary = await running.then(
      () => attemptLog.close(),
      () => attemptLog.close()
    )
    const result = await running
    if (result.kind !== 'outcome') return result
    const { digest: logDigest, lines: logLines } = summary
    const outcome = { ...result.outcome, epoch: this.#epoch, logDigest, logLines }
    return { kind: 'outcome', outcome, left: result.left }
  }

  /** Logged for benchmarks and for the curious: where the time of a job goes. */
  #phase(phase: string, ms: number): void {
    const { log, clock } = this.#parts
    const facts = { job: this.jobId, epoch: this.#epoch, phase, ms }
    log.info({ ...facts, atBootMs: clock.bootMs() }, 'phase finished')
  }

  async #finish(result: Ended): Promise<void> {
    const { attempts, clock, log } = this.#parts
    // Or left to the reaper: either way no deadline has anything to end any more.
    this.#step({ kind: 'gone', nowMs: clock.bootMs() })
    const body = this.#ending(result)
    if (body.kind === 'complete') await this.#put('exited', body.outcome)
    this.#step({ kind: 'proposed', nowMs: clock.bootMs() })
    const change = await endLease(this.#parts, this.jobId, body, this.#quit.signal)
    if (change === undefined) return
    await attempts.remove(this.jobId)
    const facts = { job: this.jobId, epoch: this.#epoch }
    if (change.kind !== 'rejected') this.#parts.onEvent?.(endEventOf(body))
    if (change.kind === 'rejected') log.warn({ ...facts, reason: change.reason }, 'end refused')
    else if (body.kind === 'release') log.info({ ...facts, reason: body.reason }, 'lease released')
    else log.info({ ...facts, state: body.outcome.state }, 'job ended')
  }

  #ending(ended: Ended): EndBody {
    const durationMs = this.#parts.clock.bootMs() - this.#won.startedAtMs
    const cancel = this.#cancelled && { reason: this.#cancelled.reason, durationMs }
    const { claimId, told } = this.#won
    return endingOf(ended, { epoch: this.#epoch, claimId, told }, cancel)
  }

  #step(event: LeaseEvent): void {
    if (this.#hold === undefined) return
    const [hold, effects] = stepHold(this.#hold, event)
    this.#hold = hold
    this.#apply(effects)
  }

  #apply(effects: readonly LeaseEffect[]): void {
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: LeaseEffect): void {
    switch (effect.kind) {
      case 'write_deadline':
        void this.#writeDeadline(effect.deadlineMs)
        return
      case 'renew':
        void this.#renew(effect.startedAtMs)
        return
      case 'reaffirm':
        void this.#reaffirm()
        return
      case 'start':
        this.#start.resolve('start')
        return
      case 'terminate':
        this.#stopSteps()
        return
      case 'kill':
        // `lost` comes with it, in the same step, and ends what runs.
        return
      case 'lost':
        this.#lose(effect.reason)
        return
      case 'cancel':
        this.#cancelled = effect.flag
        this.#end.begin('cancelled')
        return
      case 'wake':
        this.#wakeAt(effect.atMs)
        return
      default:
        effect satisfies never
    }
  }

  /** No renewal came through: whoever asks why the steps ended finds it here. */
  #stopSteps(): void {
    const facts = { job: this.jobId, epoch: this.#epoch, reason: 'not_renewed' }
    this.#parts.log.warn(facts, 'lease nearly over, steps stopped')
    this.#parts.onEvent?.({ kind: 'overdue' })
    void this.#tell('not_renewed')?.catch(() => undefined) // Not waited for: the steps have little time left.
    this.#terminate.abort()
  }

  #lose(reason: LossReason): void {
    const facts = { job: this.jobId, epoch: this.#epoch, reason }
    this.#parts.log.warn(facts, 'lease lost')
    this.#parts.onEvent?.({ kind: 'lost', reason })
    this.#start.resolve('lost')
    this.#end.atOnce(new MeshError('LEASE_LOST', facts))
  }

  async #writeDeadline(deadlineMs: number): Promise<void> {
    try {
      await this.#deadline?.write(deadlineMs)
    } catch (error) {
      // The guard keeps the older, earlier deadline: it ends the job sooner, never later.
      this.#parts.log.error({ job: this.jobId, err: error }, 'deadline not written')
    }
  }

  async #renew(startedAtMs: number): Promise<void> {
    const item: HeldLease = {
      jobId: this.jobId,
      epoch: this.#epoch,
      claimId: this.claimId,
      stage: this.#stage
    }
    const outcome = await this.#parts.renewer.renew(item)
    const nowMs = this.#parts.clock.bootMs()
    const quorum = outcome?.quorum ?? Number.MAX_SAFE_INTEGER
    const { oks = 0, stale = 0, fenced = 0, cancel } = outcome ?? {}
    this.#parts.onEvent?.(renewalEventOf(outcome))
    this.#step({ kind: 'renewed', startedAtMs, nowMs, oks, stale, fenced, quorum, cancel })
  }

  /** Best effort: what it comes to shows in the next renewal. */
  async #reaffirm(): Promise<void> {
    const { registers, clock, log, random } = this.#parts
    const { jobId, claimId } = this
    const facts = { job: jobId, epoch: this.#epoch }
    const body = { kind: 'reaffirm', epoch: this.#epoch, claimId, boot: registers.boot } as const
    try {
      const change = await registers.changeJob(jobId, random.id(16), body)
      log.info({ ...facts, answer: change.kind }, 'lease reaffirmed')
    } catch (error) {
      log.warn({ ...facts, cause: causeOf(error) }, 'lease not reaffirmed')
    }
    this.#step({ kind: 'reaffirmed', nowMs: clock.bootMs() })
  }

  #wakeAt(atMs: number): void {
    const { clock } = this.#parts
    this.#disarm?.()
    this.#disarm = clock.arm(Math.max(0, atMs - clock.bootMs()), () => {
      this.#step({ kind: 'tick', nowMs: clock.bootMs() })
    })
  }

  async #forgetDeadline(): Promise<void> {
    try {
      await this.#deadline?.remove()
    } catch (error) {
      // The reaper comes by: a folder that is left is no reason to end the agent.
      this.#parts.log.error({ job: this.jobId, err: error }, 'lease folder not removed')
    }
  }

  #deadlineFile(): DeadlineFile {
    if (this.#deadline === undefined) throw new Error('the deadline is written before the start')
    return this.#deadline
  }

  async #put(phase: AttemptRecord['phase'], outcome: Outcome | undefined): Promise<void> {
    await this.#parts.attempts.put({
      register: this.jobId,
      witnessEpoch: this.#witnessEpoch(),
      epoch: this.#epoch,
      claimId: this.claimId,
      container: this.#parts.executor.containerName(this.jobId),
      phase,
      outcome,
      userCodeRan: this.#userCodeRan,
      progress: this.#progress,
      told: this.#told,
      startedAtMs: this.#parts.clock.wallMs()
    })
  }
}
