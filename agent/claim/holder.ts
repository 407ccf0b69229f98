import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import type { JobState, Outcome } from '../../protocol/core/job.ts'
import {
  type LeaseEffect,
  type LeaseEvent,
  type LeaseHold,
  startHold,
  stepHold
} from '../../protocol/core/lease.ts'
import type { Stage } from '../../protocol/core/messages.ts'
import type { JobSpec, SealedAnnouncement } from '../../protocol/core/run.ts'
import type { AttemptRecord, AttemptStore } from '../../protocol/store/attempt-store.ts'
import type { AttemptInput, AttemptResult } from '../execute/attempt.ts'
import type { DeadlineFile } from '../execute/deadline-file.ts'
import type { AttemptLog } from '../logs/attempt-log.ts'
import { type EndBody, type EndingParts, endLease } from './ending.ts'
import type { HeldLease } from './ports.ts'
import type { Renewer } from './renewer.ts'

/** Runs attempts; `Executor` is the real one. */
export interface AttemptRunner {
  containerName(jobId: string): string
  run(input: AttemptInput): Promise<AttemptResult>
  reap(keep: ReadonlySet<string>): Promise<readonly string[]>
}

export interface HolderParts extends EndingParts {
  readonly renewer: Renewer
  readonly executor: AttemptRunner
  readonly attempts: AttemptStore
  /** Makes the folder that the guard of this attempt reads. */
  openDeadline(jobId: string, claimId: string): Promise<DeadlineFile>
  openLog(jobId: string, epoch: number, gateway: string): AttemptLog
}

/** A claim that was won. */
export interface WonClaim {
  readonly jobId: string
  readonly spec: JobSpec
  readonly sealed: SealedAnnouncement
  readonly state: JobState
  readonly claimId: string
  /** Boot clock at the start of the claim's first attempt: witnesses may count from then on. */
  readonly startedAtMs: number
}

/** How an attempt ended, with what its log adds to the outcome. */
type Ended = Extract<AttemptResult, { kind: 'interrupted' }> | Concluded

interface Concluded {
  readonly kind: 'outcome'
  readonly outcome: Outcome
}

/** Tries to confirm that a sandbox is gone after the executor could not. */
const REAP_TRIES_MAX = 10

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
  readonly #abort = new AbortController()
  readonly #terminate = new AbortController()
  /** Aborted when the process must end: open proposals are left to the next boot. */
  readonly #quit = new AbortController()
  #hold: LeaseHold | undefined
  #deadline: DeadlineFile | undefined
  #stage: Stage
  #cancelled: { readonly by: string; readonly reason: string } | undefined
  #userCodeRan = false
  #disarm: (() => void) | undefined
  #start: PromiseWithResolvers<'start' | 'lost'> = Promise.withResolvers()

  constructor(parts: HolderParts, won: WonClaim) {
    this.#parts = parts
    this.#won = won
    this.jobId = won.jobId
    this.claimId = won.claimId
    this.#epoch = won.state.epoch
    this.#stage = { name: 'claimed', step: 0, steps: won.spec.steps.length }
  }

  async run(): Promise<void> {
    const { log } = this.#parts
    try {
      await this.#put('starting', undefined)
      this.#deadline = await this.#parts.openDeadline(this.jobId, this.claimId)
      await this.#finish(await this.#attempt())
    } catch (error) {
      log.error({ job: this.jobId, epoch: this.#epoch, err: error }, 'attempt not settled')
    } finally {
      this.#disarm?.()
      await this.#deadline?.remove()
    }
  }

  /** Ends the attempt: `drained` gives the lease back. */
  stop(): void {
    this.#abort.abort('drained')
  }

  /** The process ends now: what is not recorded is left to the next boot. */
  quit(): void {
    this.#quit.abort()
    this.#abort.abort('drained')
  }

  async #attempt(): Promise<Ended> {
    const { clock } = this.#parts
    const profile = this.#parts.registers.profile()
    const [hold, effects] = startHold(profile, this.#won.startedAtMs, clock.bootMs())
    this.#hold = hold
    await this.#deadline?.write(hold.deadlineMs)
    this.#apply(effects.filter((effect) => effect.kind !== 'write_deadline'))
    this.#step({ kind: 'ready', nowMs: clock.bootMs() })
    const onAbort = (): void => this.#start.resolve('lost')
    this.#abort.signal.addEventListener('abort', onAbort, { once: true })
    if (this.#abort.signal.aborted) onAbort()
    if ((await this.#start.promise) === 'lost') return this.#neverStarted()
    return await this.#execute()
  }

  #neverStarted(): Ended {
    const message = 'the lease ended before anything was started'
    return { kind: 'interrupted', reason: 'lease_lost', userCodeRan: false, message }
  }

  async #execute(): Promise<Ended> {
    const { registers, log } = this.#parts
    const { jobId, claimId } = this
    const { announcement } = this.#won.sealed
    const attemptLog = this.#parts.openLog(jobId, this.#epoch, announcement.gateway)
    try {
      const result = await this.#parts.executor.run({
        jobId,
        runId: announcement.runId,
        epoch: this.#epoch,
        claimId,
        attempt: this.#won.state.attempts,
        witnessEpoch: announcement.witnessEpoch,
        manifest: announcement.manifest,
        spec: this.#won.spec,
        deadline: this.#deadlineFile(),
        deadlineMs: () => this.#hold?.deadlineMs ?? 0,
        signal: this.#abort.signal,
        terminate: this.#terminate.signal,
        onStage: (stage) => {
          this.#stage = stage
          registers.board.stage(jobId, this.#epoch, stage)
        },
        onPhase: (phase, ms) => this.#phase(phase, ms),
        onUserCode: async () => {
          this.#userCodeRan = true
          await this.#put('running', undefined)
        },
        log: (step, stream, text) => attemptLog.write(step, stream, text)
      })
      const summary = await attemptLog.close()
      if (result.kind !== 'outcome') return result
      const { digest: logDigest, lines: logLines } = summary
      const outcome = { ...result.outcome, epoch: this.#epoch, logDigest, logLines }
      return { kind: 'outcome', outcome }
    } catch (error) {
      await attemptLog.close()
      log.error({ job: jobId, epoch: this.#epoch, err: error }, 'sandbox not confirmed gone')
      await this.#confirmGone()
      const userCodeRan = this.#userCodeRan
      const message = causeOf(error)
      return { kind: 'interrupted', reason: 'sandbox_failed', userCodeRan, message }
    }
  }

  /** Logged for benchmarks and for the curious: where the time of a job goes. */
  #phase(phase: string, ms: number): void {
    const { log, clock } = this.#parts
    const atBootMs = clock.bootMs()
    log.info({ job: this.jobId, epoch: this.#epoch, phase, ms, atBootMs }, 'phase finished')
  }

  /**
   * A lease is given back only once its container is gone (4.12.13); else another would run too.
   */
  async #confirmGone(): Promise<void> {
    const { attempts, executor, clock } = this.#parts
    for (let tries = 0; tries < REAP_TRIES_MAX; tries++) {
      const others = (await attempts.all()).filter((record) => record.register !== this.jobId)
      const keep = new Set(others.map((record) => record.container))
      try {
        await executor.reap(keep)
        return
      } catch (error) {
        this.#parts.log.warn({ job: this.jobId, err: error }, 'sandbox still there')
        await new Promise<void>((resolve) => clock.arm(1_000 * (tries + 1), resolve))
      }
    }
    throw new MeshError('SANDBOX_FAILED', {
      job: this.jobId,
      action: 'be removed',
      cause: 'the engine refuses; its guard ends it at the deadline'
    })
  }

  async #finish(result: Ended): Promise<void> {
    const { attempts, clock, log } = this.#parts
    this.#step({ kind: 'gone', nowMs: clock.bootMs() })
    const body = this.#ending(result)
    if (body.kind === 'complete') await this.#put('exited', body.outcome)
    this.#step({ kind: 'proposed', nowMs: clock.bootMs() })
    const change = await endLease(this.#parts, this.jobId, body, this.#quit.signal)
    if (change === undefined) return
    await attempts.remove(this.jobId)
    const facts = { job: this.jobId, epoch: this.#epoch }
    if (change.kind === 'rejected') log.warn({ ...facts, reason: change.reason }, 'end refused')
    else if (body.kind === 'release') log.info({ ...facts, reason: body.reason }, 'lease released')
    else log.info({ ...facts, state: body.outcome.state }, 'job ended')
  }

  #ending(result: Ended): EndBody {
    const lease = { epoch: this.#epoch, claimId: this.claimId }
    if (result.kind === 'outcome') return { kind: 'complete', ...lease, outcome: result.outcome }
    if (this.#cancelled !== undefined) {
      return { kind: 'complete', ...lease, outcome: this.#cancelOutcome(this.#cancelled.reason) }
    }
    const { reason, userCodeRan } = result
    return { kind: 'release', ...lease, reason, userCodeRan }
  }

  #cancelOutcome(reason: string): Outcome {
    return {
      epoch: this.#epoch,
      state: 'cancelled',
      reason: 'cancelled',
      exitCode: undefined,
      message: `cancelled: ${reason}`,
      steps: [],
      durationMs: Math.max(0, this.#parts.clock.bootMs() - this.#won.startedAtMs),
      logDigest: '',
      logLines: 0
    }
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
      case 'start':
        this.#start.resolve('start')
        return
      case 'terminate':
        this.#terminate.abort()
        return
      case 'kill':
      case 'lost':
        this.#lose()
        return
      case 'cancel':
        this.#cancelled = effect.flag
        this.#abort.abort('cancelled')
        return
      case 'wake':
        this.#wakeAt(effect.atMs)
        return
      default:
        effect satisfies never
    }
  }

  #lose(): void {
    const facts = { job: this.jobId, epoch: this.#epoch }
    this.#parts.log.warn(facts, 'lease lost')
    this.#start.resolve('lost')
    this.#abort.abort(new MeshError('LEASE_LOST', facts))
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
    const { oks = 0, stale = 0, cancel } = outcome ?? {}
    this.#step({ kind: 'renewed', startedAtMs, nowMs, oks, stale, quorum, cancel })
  }

  #wakeAt(atMs: number): void {
    const { clock } = this.#parts
    this.#disarm?.()
    this.#disarm = clock.arm(Math.max(0, atMs - clock.bootMs()), () => {
      this.#step({ kind: 'tick', nowMs: clock.bootMs() })
    })
  }

  #deadlineFile(): DeadlineFile {
    if (this.#deadline === undefined) throw new Error('the deadline is written before the start')
    return this.#deadline
  }

  async #put(phase: AttemptRecord['phase'], outcome: Outcome | undefined): Promise<void> {
    await this.#parts.attempts.put({
      register: this.jobId,
      witnessEpoch: this.#won.sealed.announcement.witnessEpoch,
      epoch: this.#epoch,
      claimId: this.claimId,
      container: this.#parts.executor.containerName(this.jobId),
      phase,
      outcome,
      userCodeRan: this.#userCodeRan,
      startedAtMs: this.#parts.clock.wallMs()
    })
  }
}
