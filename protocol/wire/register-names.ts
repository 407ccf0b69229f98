import type {
  HistoryEntry,
  JobPhase,
  OutcomeState,
  Reason as ReasonName,
  StepResult
} from '../core/job.ts'
import type {
  RejectCode as RejectName,
  RenewAnswer as RenewName,
  Stage,
  SyncItem
} from '../core/messages.ts'
import {
  Intent,
  LeaseEnd,
  Phase,
  Reason,
  RejectCode,
  RenewAnswer,
  StageName,
  StepState
} from './generated/register.ts'
import { names } from './names.ts'

export const outcomeStates = names<OutcomeState, Phase>('state', {
  succeeded: Phase.PHASE_SUCCEEDED,
  failed: Phase.PHASE_FAILED,
  errored: Phase.PHASE_ERRORED,
  cancelled: Phase.PHASE_CANCELLED
})

export const jobPhases = names<JobPhase, Phase>('phase', {
  queued: Phase.PHASE_QUEUED,
  leased: Phase.PHASE_LEASED,
  succeeded: Phase.PHASE_SUCCEEDED,
  failed: Phase.PHASE_FAILED,
  errored: Phase.PHASE_ERRORED,
  cancelled: Phase.PHASE_CANCELLED,
  skipped: Phase.PHASE_SKIPPED,
  moved: Phase.PHASE_MOVED
})

export const syncPhases = names<SyncItem['phase'], Phase>('phase', {
  queued: Phase.PHASE_QUEUED,
  leased: Phase.PHASE_LEASED,
  succeeded: Phase.PHASE_SUCCEEDED,
  failed: Phase.PHASE_FAILED,
  errored: Phase.PHASE_ERRORED,
  cancelled: Phase.PHASE_CANCELLED,
  skipped: Phase.PHASE_SKIPPED,
  moved: Phase.PHASE_MOVED,
  run: Phase.PHASE_RUN,
  superseded: Phase.PHASE_SUPERSEDED
})

export const reasons = names<ReasonName, Reason>('reason', {
  completed: Reason.REASON_COMPLETED,
  exit_code: Reason.REASON_EXIT_CODE,
  timed_out: Reason.REASON_TIMED_OUT,
  oom_killed: Reason.REASON_OOM_KILLED,
  agent_lost: Reason.REASON_AGENT_LOST,
  image_unavailable: Reason.REASON_IMAGE_UNAVAILABLE,
  step_not_started: Reason.REASON_STEP_NOT_STARTED,
  source_unavailable: Reason.REASON_SOURCE_UNAVAILABLE,
  sandbox_failed: Reason.REASON_SANDBOX_FAILED,
  policy_refused: Reason.REASON_POLICY_REFUSED,
  never_matched: Reason.REASON_NEVER_MATCHED,
  cancelled: Reason.REASON_CANCELLED,
  drained: Reason.REASON_DRAINED,
  lease_lost: Reason.REASON_LEASE_LOST,
  log_limit: Reason.REASON_LOG_LIMIT,
  quarantined: Reason.REASON_QUARANTINED
})

export const stepStates = names<StepResult['state'], StepState>('step state', {
  succeeded: StepState.STEP_STATE_SUCCEEDED,
  failed: StepState.STEP_STATE_FAILED,
  timed_out: StepState.STEP_STATE_TIMED_OUT,
  not_run: StepState.STEP_STATE_NOT_RUN
})

export const leaseEnds = names<HistoryEntry['end'], LeaseEnd>('end', {
  expired: LeaseEnd.LEASE_END_EXPIRED,
  released: LeaseEnd.LEASE_END_RELEASED,
  completed: LeaseEnd.LEASE_END_COMPLETED
})

export const stageNames = names<Stage['name'], StageName>('stage', {
  claimed: StageName.STAGE_NAME_CLAIMED,
  checkout: StageName.STAGE_NAME_CHECKOUT,
  image: StageName.STAGE_NAME_IMAGE,
  create: StageName.STAGE_NAME_CREATE,
  start: StageName.STAGE_NAME_START,
  step: StageName.STAGE_NAME_STEP,
  finishing: StageName.STAGE_NAME_FINISHING
})

export const intents = names<'op' | 'takeover', Intent>('intent', {
  op: Intent.INTENT_OP,
  takeover: Intent.INTENT_TAKEOVER
})

export const rejectCodes = names<RejectName, RejectCode>('code', {
  ballot: RejectCode.REJECT_CODE_BALLOT,
  lease_alive: RejectCode.REJECT_CODE_LEASE_ALIVE,
  invalid: RejectCode.REJECT_CODE_INVALID,
  wrong_store: RejectCode.REJECT_CODE_WRONG_STORE,
  wrong_roster: RejectCode.REJECT_CODE_WRONG_ROSTER,
  gone: RejectCode.REJECT_CODE_GONE,
  ballot_jump: RejectCode.REJECT_CODE_BALLOT_JUMP,
  not_allowed: RejectCode.REJECT_CODE_NOT_ALLOWED,
  overload: RejectCode.REJECT_CODE_OVERLOAD,
  equivocation: RejectCode.REJECT_CODE_EQUIVOCATION,
  announcement_missing: RejectCode.REJECT_CODE_ANNOUNCEMENT_MISSING,
  disk_low: RejectCode.REJECT_CODE_DISK_LOW
})

export const renewAnswers = names<RenewName, RenewAnswer>('answer', {
  ok: RenewAnswer.RENEW_ANSWER_OK,
  behind: RenewAnswer.RENEW_ANSWER_BEHIND,
  stale: RenewAnswer.RENEW_ANSWER_STALE,
  fenced: RenewAnswer.RENEW_ANSWER_FENCED,
  gone: RenewAnswer.RENEW_ANSWER_GONE,
  moved: RenewAnswer.RENEW_ANSWER_MOVED
})
