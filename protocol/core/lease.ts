import type { Cancellation } from './job.ts'
import type { LeaseProfile } from './lease-profile.ts'
import { holdMs } from './lease-profile.ts'
import { leasedJob } from './lease-timer.ts'
import type { RegisterValue } from './messages.ts'

/** The lease of one attempt, as its holder sees it. All times are boot milliseconds of its host. */
export interface LeaseHold {
  readonly profile: LeaseProfile
  /** No process of the job may live after this. */
  readonly deadlineMs: number
  readonly nextRenewMs: number
  /** `wanted`: ready to start, but too little of the lease is left. */
  readonly container: 'none' | 'wanted' | 'running' | 'gone'
  /** A complete or release was handed to the proposer. */
  readonly proposed: boolean
  readonly terminated: boolean
  readonly cancelSeen: boolean
  readonly lost: LossReason | undefined
  /** A reaffirmation is on its way. */
  readonly reaffirming: boolean
}

/**
 * `expired`: the deadline came; `stale`: a later lease exists; `no_quorum`: it never really began.
 */
export type LossReason = 'expired' | 'stale' | 'no_quorum'

export type LeaseEvent =
  | { readonly kind: 'tick'; readonly nowMs: number }
  /** All is prepared; the container is created and started only when `start` answers. */
  | { readonly kind: 'ready'; readonly nowMs: number }
  /** One round of renewals is over, with as many answers of each kind as came. */
  | {
      readonly kind: 'renewed'
      readonly startedAtMs: number
      readonly nowMs: number
      readonly oks: number
      readonly stale: number
      /** Witnesses that have seen the lease expired and refuse renewals since. */
      readonly fenced?: number | undefined
      readonly quorum: number
      readonly cancel: Cancellation | undefined
    }
  /** The reaffirmation that was asked for is settled, whatever came of it. */
  | { readonly kind: 'reaffirmed'; readonly nowMs: number }
  /** Before a complete or release is proposed. */
  | { readonly kind: 'proposed'; readonly nowMs: number }
  /** The container is confirmed gone, calls in flight to create or start it included (4.12.13). */
  | { readonly kind: 'gone'; readonly nowMs: number }

type Renewed = Extract<LeaseEvent, { readonly kind: 'renewed' }>

export type LeaseEffect =
  /** Carried out before any later effect of the same step. */
  | { readonly kind: 'write_deadline'; readonly deadlineMs: number }
  /** Start one round of renewals now and report it as `renewed` with this time. */
  | { readonly kind: 'renew'; readonly startedAtMs: number }
  /** Propose a reaffirmation now and report its end as `reaffirmed`. */
  | { readonly kind: 'reaffirm' }
  | { readonly kind: 'start' }
  /** SIGTERM to the steps, and flush the log. */
  | { readonly kind: 'terminate' }
  | { readonly kind: 'kill' }
  /** Nothing more is renewed: container confirmed gone, then release (a no to it is fine). */
  | { readonly kind: 'lost'; readonly reason: LossReason }
  /** Somebody wants the job to end: container confirmed gone, then complete as cancelled. */
  | { readonly kind: 'cancel'; readonly flag: Cancellation }
  /** Send `tick` at this time; a later `wake` replaces it. */
  | { readonly kind: 'wake'; readonly atMs: number }

type Step = readonly [LeaseHold, readonly LeaseEffect[]]

/** Who believes to hold a lease, and by which claim. */
export interface ClaimKey {
  readonly holder: string
  readonly claimId: string
  readonly boot: string
}

/**
 * True when `value` is leased to exactly this claim. A claim that was answered `same` may have been
 * cancelled or taken over meanwhile: without this a container would start for it (4.12.2).
 */
export function holdsLease(value: RegisterValue | undefined, key: ClaimKey): boolean {
  const lease = leasedJob(value)?.lease
  if (lease === undefined || lease.holder !== key.holder) return false
  return lease.claimId === key.claimId && lease.boot === key.boot
}

/**
 * A lease that was just won. `claimStartedAtMs` is the start of the claim's first attempt:
 * witnesses count from their accept, which may be as early as that. Counted from the answer, the
 * deadline would come after their timers.
 */
export function startHold(profile: LeaseProfile, claimStartedAtMs: number, nowMs: number): Step {
  return begin(profile, claimStartedAtMs, nowMs, 'none')
}

/**
 * The lease of a container that a process before this one started, taken on by an `adopt` that is
 * chosen. The witnesses count from their accept of that, so its start is what this lease begins
 * with; whether the container is still alive, its own guard has to tell.
 */
export function resumeHold(profile: LeaseProfile, adoptStartedAtMs: number, nowMs: number): Step {
  return begin(profile, adoptStartedAtMs, nowMs, 'running')
}

function begin(
  profile: LeaseProfile,
  claimStartedAtMs: number,
  nowMs: number,
  container: 'none' | 'running'
): Step {
  const deadlineMs = claimStartedAtMs + holdMs(profile)
  const nearlySpent = nowMs > deadlineMs - profile.startMsMin
  const hold: LeaseHold = {
    profile,
    deadlineMs,
    nextRenewMs: nearlySpent ? nowMs : renewalAfter(profile, claimStartedAtMs),
    container,
    proposed: false,
    terminated: false,
    cancelSeen: false,
    lost: undefined,
    reaffirming: false
  }
  const [next, effects] = due(hold, nowMs)
  return [next, [{ kind: 'write_deadline', deadlineMs }, ...effects]]
}

export function stepHold(hold: LeaseHold, event: LeaseEvent): Step {
  switch (event.kind) {
    case 'tick':
      return due(hold, event.nowMs)
    case 'ready':
      return ready(hold, event.nowMs)
    case 'renewed':
      return renewed(hold, event)
    case 'reaffirmed':
      return due({ ...hold, reaffirming: false }, event.nowMs)
    case 'proposed':
      return due({ ...hold, proposed: true }, event.nowMs)
    case 'gone':
      return due({ ...hold, container: 'gone' }, event.nowMs)
    default:
      return event satisfies never
  }
}

/** True while a container may be started: it would else meet its deadline at once. */
export function mayStart(hold: LeaseHold, nowMs: number): boolean {
  if (hold.lost !== undefined || hold.proposed) return false
  return nowMs <= hold.deadlineMs - hold.profile.startMsMin
}

function renewed(hold: LeaseHold, event: Renewed): Step {
  const { nowMs, cancel } = event
  if (hold.lost !== undefined) return [hold, []]
  if (event.stale >= event.quorum) return stale(hold)
  const flagged = cancel !== undefined && !hold.cancelSeen && !hold.proposed
  const seen = flagged ? { ...hold, cancelSeen: true } : hold
  const notice: LeaseEffect[] = flagged ? [{ kind: 'cancel', flag: cancel }] : []
  const [next, effects] = extended(seen, event)
  const [last, more] = startIfWanted(next, nowMs)
  const [known, wish] = reaffirmIfRefused(last, event)
  return [known, [...effects, ...notice, ...more, ...wish]]
}

// A witness that is fenced, or holds what was never chosen, says no to every renewal from now on:
// without a new version the lease hangs on the others alone until it ends.
function reaffirmIfRefused(hold: LeaseHold, event: Renewed): Step {
  const refusals = (event.fenced ?? 0) + event.stale
  const alive = event.nowMs < hold.deadlineMs || isUnstarted(hold)
  if (refusals === 0 || !alive || hold.proposed || hold.reaffirming) return [hold, []]
  if (hold.lost !== undefined) return [hold, []]
  return [{ ...hold, reaffirming: true }, [{ kind: 'reaffirm' }]]
}

function extended(hold: LeaseHold, event: Renewed): Step {
  const { nowMs, startedAtMs } = event
  const alive = nowMs < hold.deadlineMs
  if (hold.proposed || !(alive || isUnstarted(hold))) return [hold, []]
  if (event.oks < event.quorum) {
    // The lease never really began, and nobody confirms it: it is given back.
    return alive ? [hold, []] : lose(hold, 'no_quorum')
  }
  // From the start of the round: a witness may have answered at once, and its timer runs since
  // then.
  const deadlineMs = Math.max(hold.deadlineMs, startedAtMs + holdMs(hold.profile))
  if (deadlineMs === hold.deadlineMs) return [hold, []]
  return [{ ...hold, deadlineMs }, [{ kind: 'write_deadline', deadlineMs }]]
}

// A majority knows a later lease: another container may start any moment. Once our own complete or
// release is proposed, its effect looks the same and is no loss.
function stale(hold: LeaseHold): Step {
  if (hold.proposed && hold.container !== 'running') return [hold, []]
  return lose(hold, 'stale')
}

function lose(hold: LeaseHold, reason: LossReason): Step {
  const kill: LeaseEffect[] = hold.container === 'running' ? [{ kind: 'kill' }] : []
  return [{ ...hold, lost: reason }, [...kill, { kind: 'lost', reason }]]
}

function ready(hold: LeaseHold, nowMs: number): Step {
  if (hold.container !== 'none') return due(hold, nowMs)
  const nextRenewMs = mayStart(hold, nowMs) ? hold.nextRenewMs : nowMs
  return startIfWanted({ ...hold, container: 'wanted', nextRenewMs }, nowMs)
}

function startIfWanted(hold: LeaseHold, nowMs: number): Step {
  if (hold.container !== 'wanted' || !mayStart(hold, nowMs)) return due(hold, nowMs)
  const [next, effects] = due({ ...hold, container: 'running' }, nowMs)
  return [next, [{ kind: 'start' }, ...effects]]
}

// All that the clock asks for at `nowMs`, and when to ask again.
function due(hold: LeaseHold, nowMs: number): Step {
  if (hold.lost !== undefined) return [hold, []]
  const running = hold.container === 'running'
  if (running && nowMs >= hold.deadlineMs) return lose(hold, 'expired')
  const effects: LeaseEffect[] = []
  let next = hold
  if (running && !hold.terminated && nowMs >= terminateAtMs(hold)) {
    effects.push({ kind: 'terminate' })
    next = { ...next, terminated: true }
  }
  if (mayRenew(hold, nowMs) && nowMs >= hold.nextRenewMs) {
    effects.push({ kind: 'renew', startedAtMs: nowMs })
    next = { ...next, nextRenewMs: renewalAfter(hold.profile, nowMs) }
  }
  const atMs = wakeAtMs(next, nowMs)
  if (atMs !== undefined) effects.push({ kind: 'wake', atMs })
  return [next, effects]
}

// Past the deadline only a lease without any container may be renewed: it then begins anew
// (4.12.14).
function mayRenew(hold: LeaseHold, nowMs: number): boolean {
  return nowMs < hold.deadlineMs || (isUnstarted(hold) && !hold.proposed)
}

/**
 * The next beat of the host's clock that all its leases renew at: each on its own beat would cost
 * every witness a message a lease. Never further off than `renewEveryMs`.
 */
function renewalAfter({ renewEveryMs }: LeaseProfile, nowMs: number): number {
  return (Math.floor(nowMs / renewEveryMs) + 1) * renewEveryMs
}

function isUnstarted({ container }: LeaseHold): boolean {
  return container === 'none' || container === 'wanted'
}

function terminateAtMs({ deadlineMs, profile }: LeaseHold): number {
  return deadlineMs - profile.graceMs
}

function wakeAtMs(hold: LeaseHold, nowMs: number): number | undefined {
  const times: number[] = []
  // A renewal that came due while the process slept must not be asked for again and again.
  const renewMs = Math.max(nowMs, hold.nextRenewMs)
  if (mayRenew(hold, renewMs)) times.push(renewMs)
  if (hold.container === 'running') {
    times.push(hold.deadlineMs)
    if (!hold.terminated) times.push(terminateAtMs(hold))
  }
  return times.length === 0 ? undefined : Math.max(nowMs, Math.min(...times))
}
