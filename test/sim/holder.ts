import { type Ended, endingOf } from '../../agent/claim/conclusion.ts'
import { graceLeftMs } from '../../agent/execute/grace.ts'
import type { Cancellation, Outcome } from '../../protocol/core/job.ts'
import {
  type LeaseEffect,
  type LeaseEvent,
  type LeaseHold,
  resumeHold,
  startHold,
  stepHold
} from '../../protocol/core/lease.ts'
import { TERM_GRACE_MS } from '../../protocol/core/limits.ts'
import { jobIndexOf, runIdOf } from '../../protocol/core/run.ts'
import { type AttemptRecord, dropRecord, putRecord } from './attempt-records.ts'
import { type ContainerHost, EXIT_DEADLINE, EXIT_KILLED, EXIT_TOO_LATE } from './container-host.ts'
import { endLease } from './end-lease.ts'
import { SimLog } from './log.ts'
import { afterSync, type NodeParts } from './node-parts.ts'
import { renewLease } from './renewals.ts'

export interface HolderParts extends NodeParts {
  readonly host: ContainerHost
}

export interface WonClaim {
  readonly jobId: string
  readonly epoch: number
  readonly claimId: string
  readonly startedAtMs: number
  /** Its container runs already: a process before this one has started it. */
  readonly isAdopted: boolean
  /** Why that process had told its steps to end. */
  readonly told: AttemptRecord['told']
}

/** Milliseconds from the start of an attempt to its container: fetch the source, get the image. */
const PREPARE_MS_MAX = 400
/** Share of attempts whose network is lost. */
const NETWORK_LOSS_RATE = 0.1

/**
 * One lease from the won claim to its recorded end, in the order of production's Holder: `starting`
 * synced, deadline written, container made; container gone, `exited` synced, end proposed.
 */
export class SimHolder {
  readonly jobId: string
  readonly #parts: HolderParts
  readonly #won: WonClaim
  readonly #done: () => void
  #hold: LeaseHold | undefined
  #disarm: () => void = () => undefined
  #userCodeRan = false
  #cancel: Cancellation | undefined
  #isAborted = false
  /** Its own commands run; were told to end; have ended since. */
  #steps: 'none' | 'run' | 'told' | 'over' = 'none'
  #told: AttemptRecord['told']
  /** What an abort has to wait for: a call to the engine that is under way. */
  #isCalling = false
  #state: 'waiting' | 'executing' | 'ending' = 'waiting'
  readonly #log: SimLog
  cancelSeenAtMs: number | undefined

  constructor(parts: HolderParts, won: WonClaim, done: () => void) {
    this.#parts = parts
    this.#won = won
    this.#told = won.told
    this.jobId = won.jobId
    this.#done = done
    this.#log = new SimLog(parts, won)
  }

  run(): void {
    if (this.#won.isAdopted) {
      this.#userCodeRan = true
      this.#begin()
      return
    }
    // Synced before any container is made: a later process must find what may run (D5).
    this.#put('starting', undefined, () => this.#begin())
  }

  /** Ends what runs and gives the lease back. */
  abort(): void {
    if (this.#isAborted || this.#state === 'ending') return
    this.#isAborted = true
    if (this.#state === 'waiting') this.#interrupted('the lease ended before a start')
    else if (!this.#isCalling) this.#clear()
  }

  #begin(): void {
    const { scene, process, host } = this.#parts
    const { startedAtMs, claimId, isAdopted } = this.#won
    const begin = isAdopted ? resumeHold : startHold
    const [hold, effects] = begin(scene.profile, startedAtMs, process.nowMs)
    this.#hold = hold
    if (isAdopted) this.#state = 'executing'
    if (hold.lost === undefined) {
      host.writeDeadline(claimId, hold.deadlineMs)
      this.#believe()
    }
    for (const effect of effects) if (effect.kind !== 'write_deadline') this.#carryOut(effect)
    if (isAdopted) {
      if (!this.#isAborted) this.#follow()
      return
    }
    this.#step({ kind: 'ready', nowMs: process.nowMs })
  }

  #step(event: LeaseEvent): void {
    if (this.#hold === undefined) return
    const [hold, effects] = stepHold(this.#hold, event)
    this.#hold = hold
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: LeaseEffect): void {
    const { process, host, scene } = this.#parts
    switch (effect.kind) {
      case 'write_deadline':
        host.writeDeadline(this.#won.claimId, effect.deadlineMs)
        this.#believe()
        return
      case 'renew':
        this.#renew(effect.startedAtMs)
        return
      case 'reaffirm':
        this.#reaffirm()
        return
      case 'start':
        this.#execute()
        return
      case 'lost':
        scene.emit({ kind: 'lets_go', claimId: this.#won.claimId })
        this.#endAtOnce()
        return
      case 'cancel':
        this.#cancel = effect.flag
        this.cancelSeenAtMs = scene.timeline.nowMs
        this.#cancelled(effect.flag)
        return
      case 'wake':
        this.#disarm()
        this.#disarm = process.arm(effect.atMs - process.nowMs, () => {
          this.#step({ kind: 'tick', nowMs: process.nowMs })
        })
        return
      case 'terminate':
      case 'kill':
        // `lost` comes with a kill, in the same step, and ends what runs.
        return
      default:
        effect satisfies never
    }
  }

  /** Another may begin the job, or it runs outside its rules: no grace is waited for. */
  #endAtOnce(): void {
    const { scene } = this.#parts
    const mayAct = this.#state === 'executing' && !this.#isAborted && !this.#isCalling
    if (mayAct) scene.emit({ kind: 'must_end', claimId: this.#won.claimId })
    if (this.#steps === 'told' && !this.#isAborted) scene.count('holder: lost in a grace')
    this.abort()
  }

  /** Steps that run have time to end, once it is on the disk that they are told to. */
  #cancelled({ graceMs = TERM_GRACE_MS }: Cancellation): void {
    const hasSteps = this.#state === 'executing' && this.#steps === 'run' && !this.#isAborted
    if (!hasSteps || !this.#parts.scene.options.graces) {
      this.abort()
      return
    }
    this.#told = 'cancelled'
    this.#put('running', undefined, () => {
      // Else it has ended by itself meanwhile, or its lease has.
      if (this.#state === 'executing' && !this.#isAborted) this.#stopSteps(graceMs)
    })
  }

  #stopSteps(graceMs: number): void {
    const { scene, process, host } = this.#parts
    const { claimId } = this.#won
    this.#steps = 'told'
    scene.emit({ kind: 'told_to_end', claimId })
    const endMs = process.nowMs + graceMs
    const wait = (): void => {
      if (this.#isAborted) return
      const leftMs = graceLeftMs(endMs, this.#hold?.deadlineMs ?? 0, process.nowMs)
      if (leftMs <= 0) scene.count('holder: grace over')
      if (leftMs <= 0 || this.#steps === 'over') this.abort()
      else process.arm(leftMs, wait)
    }
    this.#call((returned) => host.terminate(claimId, () => returned(wait)))
  }

  #believe(): void {
    if (this.#hold === undefined) return
    const { scene, process } = this.#parts
    const { jobId: job, epoch, claimId } = this.#won
    const untilMs = process.clock.trueMs(this.#hold.deadlineMs)
    const { peerId: by, boot } = process
    scene.emit({ kind: 'holds', by, boot, job, epoch, claimId, untilMs })
  }

  #renew(startedAtMs: number): void {
    renewLease(this.#parts, this.#won, (tally) => {
      const { nowMs } = this.#parts.process
      this.#step({ kind: 'renewed', startedAtMs, nowMs, ...tally })
    })
  }

  #reaffirm(): void {
    const { scene, process, jobs } = this.#parts
    const { jobId, epoch, claimId } = this.#won
    const body = { kind: 'reaffirm', epoch, claimId, boot: process.boot } as const
    jobs.change(jobId, scene.timeline.id(), body, () => {
      this.#step({ kind: 'reaffirmed', nowMs: process.nowMs })
    })
  }

  #execute(): void {
    this.#state = 'executing'
    this.#parts.process.arm(this.#parts.scene.timeline.random() * PREPARE_MS_MAX, () => {
      if (!this.#isAborted) this.#create()
    })
  }

  // A call that is under way when the lease is lost is waited for, and then undone (4.12.13).
  #call(call: (returned: (then: () => void) => void) => void): void {
    const { process } = this.#parts
    const { boot } = process
    this.#isCalling = true
    call((then) => {
      process.run(boot, () => {
        this.#isCalling = false
        if (this.#isAborted) this.#clear()
        else then()
      })
    })
  }

  #create(): void {
    const { host, process } = this.#parts
    const { jobId: job, epoch, claimId } = this.#won
    this.#call((returned) => {
      host.create({ job, epoch, claimId, peer: process.peerId }, () => {
        returned(() => this.#start())
      })
    })
  }

  #start(): void {
    const { host, process } = this.#parts
    if (process.nowMs >= (this.#hold?.deadlineMs ?? 0)) {
      this.#failed()
      return
    }
    this.#call((returned) => {
      host.start(this.#won.claimId, (started) => {
        returned(() => (started ? this.#userCode() : this.#failed()))
      })
    })
  }

  #userCode(): void {
    this.#userCodeRan = true
    this.#put('running', undefined, () => {
      if (!this.#isAborted) this.#follow()
    })
  }

  /** Begins the job's own commands, or goes on with those that run. */
  #follow(): void {
    const { host, scene, process } = this.#parts
    const { boot } = process
    const workMs = workMsOf(this.#parts, this.jobId)
    this.#steps = 'run'
    this.#mayLoseNetwork(workMs)
    const exit = scene.timeline.random() < 0.2 ? 1 : 0
    host.exec(this.#won.claimId, workMs, exit, (code) => {
      process.run(boot, () => this.#exited(code))
    })
    this.#log.begin()
  }

  /** What its box may reach is enforced no longer. */
  #mayLoseNetwork(workMs: number): void {
    const { scene, process } = this.#parts
    if (!scene.options.graces || scene.aside.random() >= NETWORK_LOSS_RATE) return
    process.arm(scene.aside.random() * (workMs + TERM_GRACE_MS), () => {
      if (this.#isAborted || this.#state !== 'executing') return
      scene.count('holder: network lost')
      this.#endAtOnce()
    })
  }

  #exited(exit: number): void {
    if (this.#isAborted || this.#state !== 'executing') return
    // After a SIGTERM of ours an exit code is our doing, whatever it says.
    if (this.#steps === 'told') {
      this.#steps = 'over'
      if (!this.#isCalling) this.abort()
      return
    }
    // A kill by us is never an outcome (4.12.9).
    if ([EXIT_TOO_LATE, EXIT_DEADLINE, EXIT_KILLED].includes(exit)) {
      this.#failed()
      return
    }
    this.#state = 'ending'
    this.#log.close()
    this.#removed(() =>
      this.#finish({ kind: 'outcome', outcome: this.#outcome(exit), left: undefined })
    )
  }

  #failed(): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#clear()
  }

  #clear(): void {
    this.#state = 'ending'
    this.#log.close()
    this.#removed(() => this.#interrupted('interrupted'))
  }

  #removed(then: () => void): void {
    const { host, process } = this.#parts
    const { boot } = process
    host.remove(this.#won.claimId, () => process.run(boot, then))
  }

  #interrupted(message: string): void {
    this.#state = 'ending'
    const userCodeRan = this.#userCodeRan
    this.#finish({ kind: 'interrupted', reason: 'lease_lost', userCodeRan, message })
  }

  #finish(ended: Ended): void {
    const { process } = this.#parts
    const { epoch, claimId, told } = this.#won
    this.#step({ kind: 'gone', nowMs: process.nowMs })
    const cancel = this.#cancel && { reason: this.#cancel.reason, durationMs: 0 }
    const body = endingOf(ended, { epoch, claimId, told }, cancel)
    const propose = (): void => {
      this.#step({ kind: 'proposed', nowMs: process.nowMs })
      endLease(this.#parts, { jobId: this.jobId, body }, () => {
        dropRecord(this.#parts, this.jobId)
        this.#disarm()
        this.#parts.host.forgetDeadline(claimId)
        this.#done()
      })
    }
    if (body.kind === 'complete') this.#put('exited', body.outcome, propose)
    else propose()
  }

  #outcome(exit: number): Outcome {
    const state = exit === 0 ? 'succeeded' : 'failed'
    const reason = exit === 0 ? 'completed' : 'exit_code'
    const rest = { message: '', steps: [], durationMs: 0, logDigest: '', logLines: 0 }
    return { epoch: this.#won.epoch, state, reason, exitCode: exit, ...rest }
  }

  #put(phase: AttemptRecord['phase'], outcome: Outcome | undefined, then: () => void): void {
    const { jobId, epoch, claimId } = this.#won
    const { wallMs: startedAtMs } = this.#parts.process
    const rest = { userCodeRan: this.#userCodeRan, told: this.#told, startedAtMs }
    const record = { jobId, epoch, claimId, phase, outcome, ...rest }
    afterSync(this.#parts, putRecord(this.#parts, record), then)
  }
}

/** The job's own time, which its manifest carries here as the script of its only step. */
function workMsOf({ board }: NodeParts, jobId: string): number {
  const manifest = board().run(runIdOf(jobId))?.sealed.announcement.manifest
  return Number(manifest?.jobs[jobIndexOf(jobId) ?? -1]?.steps[0]?.run ?? 0)
}
