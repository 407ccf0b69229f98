import type { HistoryEntry, JobPhase, OutcomeState, Reason, StepResult } from '../core/job.ts'
import type { RejectCode, RenewAnswer, Stage, SyncItem } from '../core/messages.ts'
import { numbered } from './numbered.ts'

/* The enumerations of `register.proto`, by their numbers there. */

export const outcomeStates = numbered<OutcomeState>('state', {
  succeeded: 3,
  failed: 4,
  errored: 5,
  cancelled: 6
})

export const jobPhases = numbered<JobPhase>('phase', {
  queued: 1,
  leased: 2,
  succeeded: 3,
  failed: 4,
  errored: 5,
  cancelled: 6,
  skipped: 7,
  moved: 9
})

export const syncPhases = numbered<SyncItem['phase']>('phase', {
  queued: 1,
  leased: 2,
  succeeded: 3,
  failed: 4,
  errored: 5,
  cancelled: 6,
  skipped: 7,
  moved: 9,
  run: 8,
  superseded: 10
})

export const reasons = numbered<Reason>('reason', {
  completed: 1,
  exit_code: 2,
  timed_out: 3,
  oom_killed: 4,
  agent_lost: 5,
  image_unavailable: 6,
  step_not_started: 7,
  source_unavailable: 8,
  sandbox_failed: 9,
  policy_refused: 10,
  never_matched: 11,
  cancelled: 12,
  drained: 13,
  lease_lost: 14,
  log_limit: 15,
  quarantined: 16,
  disk_limit: 17,
  service_not_ready: 18,
  outputs_invalid: 19
})

export const stepStates = numbered<StepResult['state']>('step state', {
  succeeded: 1,
  failed: 2,
  timed_out: 3,
  not_run: 4
})

export const leaseEnds = numbered<HistoryEntry['end']>('end', {
  expired: 1,
  released: 2,
  completed: 3
})

export const stageNames = numbered<Stage['name']>('stage', {
  claimed: 1,
  checkout: 2,
  image: 3,
  create: 4,
  start: 5,
  step: 6,
  finishing: 7
})

export const intents = numbered<'op' | 'takeover'>('intent', {
  op: 1,
  takeover: 2
})

export const rejectCodes = numbered<RejectCode>('code', {
  ballot: 1,
  lease_alive: 2,
  invalid: 3,
  wrong_store: 4,
  wrong_roster: 5,
  gone: 6,
  ballot_jump: 7,
  not_allowed: 8,
  overload: 9,
  equivocation: 10,
  announcement_missing: 11,
  disk_low: 12
})

export const renewAnswers = numbered<RenewAnswer>('answer', {
  ok: 1,
  behind: 2,
  stale: 3,
  fenced: 4,
  gone: 5,
  moved: 6
})
