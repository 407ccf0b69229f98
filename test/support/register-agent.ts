import type { ChangeResult } from '../../protocol/core/change.ts'
import type { JobOp, JobOpBody, Outcome } from '../../protocol/core/job.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import type { LeaseEffect, LeaseEvent, LeaseHold } from '../../protocol/core/lease.ts'
import { holdsLease, startHold, stepHold } from '../../protocol/core/lease.ts'
import type { RegisterReply, RenewItem } from '../../protocol/core/messages.ts'
import { endOpId } from '../../protocol/core/op-id.ts'
import { reportOf } from './arbitrary-register.ts'
import type { ClusterMember, RegisterCluster } from './register-cluster.ts'
import { PROFILE, REGISTER } from './register-cluster.ts'
import type { LocalClock } from './timeline.ts'

export interface AgentOptions {
  /** Milliseconds that the job's commands take, at least and at most. */
  readonly workMsMin: number
  readonly workMsMax: number
}

interface Attempt {
  readonly claimId: string
  readonly boot: string
  readonly startedAtMs: number
  hold: LeaseHold | undefined
  epoch: number
  wakes: number
  reaffirmed: number
  /** The deadline file: the guard reads it, whatever its agent does. */
  deadlineMs: number
  container: 'none' | 'running' | 'gone'
}

/** One agent: claims, holds, runs, reports. Real lease rules over a simulated container. */
export class ClusterAgent {
  readonly member: ClusterMember
  readonly clock: LocalClock
  readonly #cluster: RegisterCluster
  readonly #options: AgentOptions
  #attempt: Attempt | undefined
  /** Boot of the process whose change is under way, and what waits for it. */
  #proposing: string | undefined
  #queued: (() => void)[] = []
  #claims = 0

  constructor(peerId: string, cluster: RegisterCluster, options: AgentOptions) {
    this.#cluster = cluster
    this.#options = options
    this.member = cluster.member(peerId)
    this.clock = cluster.timeline.clock(cluster.options.driftRate)
  }

  /** Looks for work from now on until the job has ended. */
  start(): void {
    this.#later(this.#cluster.timeline.between(10, 400), () => this.#tryClaim())
  }

  /** Stands still: no step of this process until then, but its container runs on. */
  pause(ms: number): void {
    this.member.pausedUntilMs = this.#cluster.timeline.nowMs + ms
  }

  /**
   * Dies and comes back without any memory; its container runs on until it is found by its label.
   */
  restart(): void {
    const orphan = this.#attempt
    this.#attempt = undefined
    this.#queued = []
    this.#cluster.restart(this.member)
    this.#later(this.#cluster.timeline.between(50, 1_000), () => {
      if (orphan !== undefined) this.#stop(orphan)
      this.start()
    })
  }

  /** Dies for good; the guard alone is left to end its container. */
  die(): void {
    this.member.pausedUntilMs = Number.POSITIVE_INFINITY
  }

  #tryClaim(): void {
    const newest = this.#cluster.log.newest()
    if (newest?.kind === 'job' && isTerminal(newest.phase)) return
    this.#claims += 1
    const { boot } = this.member
    const claimId = `${this.member.peerId}-${this.#claims}-${boot}`
    const body: JobOpBody = { kind: 'claim', claimId, boot, leaseMs: PROFILE.leaseMs }
    const startedAtMs = this.clock.localMs()
    const attempt: Attempt = {
      claimId,
      boot,
      startedAtMs,
      hold: undefined,
      epoch: 0,
      wakes: 0,
      reaffirmed: 0,
      deadlineMs: 0,
      container: 'none'
    }
    this.#propose(claimId, body, (result) => this.#onClaim(attempt, result))
  }

  #onClaim(attempt: Attempt, result: ChangeResult): void {
    const key = { holder: this.member.peerId, claimId: attempt.claimId, boot: attempt.boot }
    const value = 'value' in result ? result.value : undefined
    if (value?.kind === 'job' && result.kind !== 'busy' && holdsLease(value, key)) {
      attempt.epoch = value.epoch
      this.#attempt = attempt
      this.#apply(attempt, startHold(PROFILE, attempt.startedAtMs, this.clock.localMs()))
      this.#later(this.#cluster.timeline.between(5, 300), () => {
        this.#event(attempt, { kind: 'ready', nowMs: this.clock.localMs() })
      })
      return
    }
    if (result.kind === 'rejected' && isFinal(result.reason)) {
      const reason = result.reason === 'quarantined' ? 'quarantined' : 'agent_lost'
      const body: JobOpBody = { kind: 'error', reason, message: 'no attempt is left' }
      this.#propose(`error-${attempt.claimId}`, body, () => this.start())
      return
    }
    const waitMs = result.kind === 'busy' ? result.retryInMs : 0
    this.#later(waitMs, () => this.start())
  }

  #event(attempt: Attempt, event: LeaseEvent): void {
    if (attempt.hold === undefined) return
    this.#apply(attempt, stepHold(attempt.hold, event))
  }

  #apply(attempt: Attempt, [hold, effects]: readonly [LeaseHold, readonly LeaseEffect[]]): void {
    attempt.hold = hold
    for (const effect of effects) this.#perform(attempt, effect)
  }

  #perform(attempt: Attempt, effect: LeaseEffect): void {
    switch (effect.kind) {
      case 'write_deadline':
        attempt.deadlineMs = effect.deadlineMs
        break
      case 'renew':
        this.#renew(attempt, effect.startedAtMs)
        break
      case 'reaffirm':
        this.#reaffirm(attempt)
        break
      case 'start':
        this.#run(attempt)
        break
      case 'kill':
        this.#stop(attempt)
        break
      case 'terminate':
      case 'lost':
        this.#release(attempt)
        break
      case 'cancel':
        this.#end(attempt, 'complete', reportOf(attempt.epoch, 'cancelled'))
        break
      default:
        this.#wake(attempt, effect.atMs)
    }
  }

  // A later wake replaces an earlier one.
  #wake(attempt: Attempt, atMs: number): void {
    attempt.wakes += 1
    const { wakes } = attempt
    this.#laterAt(this.clock.trueMs(atMs), () => {
      if (attempt.wakes !== wakes) return
      this.#event(attempt, { kind: 'tick', nowMs: this.clock.localMs() })
    })
  }

  #run(attempt: Attempt): void {
    attempt.container = 'running'
    this.#cluster.log.starts(attempt.claimId, attempt.epoch)
    this.#guard(attempt)
    const { workMsMin, workMsMax } = this.#options
    const workMs = this.#cluster.timeline.between(workMsMin, workMsMax)
    this.#later(workMs, () => {
      if (attempt.container === 'running' && attempt.hold?.lost === undefined) {
        this.#end(attempt, 'complete', reportOf(attempt.epoch, 'succeeded'))
      }
    })
  }

  // Process 1 of the container: needs no agent, only the file and the host's clock.
  #guard(attempt: Attempt): void {
    const { deadlineMs } = attempt
    this.#cluster.timeline.at(this.clock.trueMs(deadlineMs), () => {
      if (attempt.container !== 'running') return
      if (attempt.deadlineMs > deadlineMs) this.#guard(attempt)
      else this.#stop(attempt)
    })
  }

  #stop(attempt: Attempt): void {
    if (attempt.container === 'running') this.#cluster.log.stops(attempt.claimId)
    attempt.container = 'gone'
  }

  #release(attempt: Attempt): void {
    const userCodeRan = attempt.container !== 'none'
    const { epoch, claimId } = attempt
    this.#end(attempt, 'release', {
      kind: 'release',
      epoch,
      claimId,
      reason: 'lease_lost',
      userCodeRan
    })
  }

  // Container confirmed gone first; then the one report of this lease.
  #end(attempt: Attempt, kind: 'complete' | 'release', body: JobOpBody | Outcome): void {
    this.#stop(attempt)
    const nowMs = this.clock.localMs()
    this.#event(attempt, { kind: 'gone', nowMs })
    if (attempt.hold?.proposed === true || this.#attempt !== attempt) return
    this.#event(attempt, { kind: 'proposed', nowMs })
    const { epoch, claimId } = attempt
    const report =
      'kind' in body ? body : { kind: 'complete' as const, epoch, claimId, outcome: body }
    this.#propose(endOpId(claimId, kind, this.#cluster.digest), report, () => {
      this.#attempt = undefined
      this.start()
    })
  }

  #renew(attempt: Attempt, startedAtMs: number): void {
    const { epoch, claimId, boot } = attempt
    const stage = { name: 'step', step: 1, steps: 1 } as const
    const answers = new Map<string, RegisterReply>()
    const finish = () => {
      const results = [...answers.values()].flatMap((reply) => {
        return reply.kind === 'renewed' ? reply.items : []
      })
      this.#event(attempt, {
        kind: 'renewed',
        startedAtMs,
        nowMs: this.clock.localMs(),
        oks: results.filter(({ answer }) => answer === 'ok').length,
        stale: results.filter(({ answer }) => answer === 'stale').length,
        fenced: results.filter(({ answer }) => answer === 'fenced').length,
        quorum: this.#cluster.quorum,
        cancel: results.find(({ cancel }) => cancel !== undefined)?.cancel
      })
    }
    for (const { peerId, storeId } of this.#cluster.refs()) {
      const scope = { register: REGISTER, witnessEpoch: 1, storeId, ann: undefined }
      const item: RenewItem = { scope, epoch, claimId, boot, stage }
      this.#cluster.request(
        this.member,
        peerId,
        { kind: 'renew', items: [item], seenSeq: 0 },
        (reply) => {
          if (reply !== undefined && !answers.has(peerId)) answers.set(peerId, reply)
        }
      )
    }
    this.#later(PROFILE.requestTimeoutMs, finish)
  }

  #reaffirm(attempt: Attempt): void {
    const { epoch, claimId, boot } = attempt
    attempt.reaffirmed += 1
    const body: JobOpBody = { kind: 'reaffirm', epoch, claimId, boot }
    this.#propose(`reaffirm-${attempt.reaffirmed}-${claimId}`, body, () => {
      this.#event(attempt, { kind: 'reaffirmed', nowMs: this.clock.localMs() })
    })
  }

  /** One after the other: two changes of one process would draw the same ballots. */
  #propose(opId: string, body: JobOpBody, done: (result: ChangeResult) => void): void {
    const { boot } = this.member
    if (this.#proposing === boot) {
      this.#queued.push(() => this.#propose(opId, body, done))
      return
    }
    this.#proposing = boot
    this.#proposeNow(opId, body, (result) => {
      if (this.member.boot !== boot) return
      this.#proposing = undefined
      const next = this.#queued.shift()
      done(result)
      next?.()
    })
  }

  /** Proposes until the answer is definite, each time with the same operation id. */
  #proposeNow(
    opId: string,
    body: JobOpBody,
    done: (result: ChangeResult) => void,
    ambiguous = false
  ): void {
    const op: JobOp = this.member.signer.jobOp(REGISTER, opId, body)
    const heard = (result: ChangeResult) => {
      if (result.kind === 'unresolved') {
        const again = ambiguous || result.ambiguous
        this.#later(500, () => this.#proposeNow(opId, body, done, again))
        return
      }
      this.#cluster.log.answers(op, result)
      done(result)
    }
    this.#cluster.change(this.member, op, heard, ambiguous)
  }

  #later(ms: number, task: () => void): void {
    this.#laterAt(this.#cluster.timeline.nowMs + ms, task)
  }

  #laterAt(atMs: number, task: () => void): void {
    const { boot } = this.member
    this.#cluster.timeline.at(atMs, () => {
      const { pausedUntilMs } = this.member
      if (boot !== this.member.boot || pausedUntilMs === Number.POSITIVE_INFINITY) return
      if (pausedUntilMs > this.#cluster.timeline.nowMs) this.#laterAt(pausedUntilMs, task)
      else task()
    })
  }
}

function isFinal(reason: string): boolean {
  return reason === 'attempts_exhausted' || reason === 'quarantined'
}
