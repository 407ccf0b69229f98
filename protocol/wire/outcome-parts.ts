import type { Outcome, StepResult } from '../core/job.ts'
import { MESSAGE_BYTES_MAX, NAME_CHARACTERS_MAX, STEPS_PER_JOB_MAX } from '../core/limits.ts'
import { type Limits, loose } from './codec.ts'
import {
  bytesOrNone,
  count,
  HASH_BYTES,
  hexOrNone,
  line,
  list,
  need,
  optional,
  textBytes
} from './fields.ts'
import type * as wire from './generated/register.ts'
import { outcomeStates, reasons, stepStates } from './register-names.ts'

/** Exit codes are one byte on Linux; some engines report wider ones. */
const EXIT_CODE_MAX = 0xff_ff_ff_ff

export const OUTCOME_LIMITS = { steps: STEPS_PER_JOB_MAX } satisfies Limits<wire.Outcome>

export function outcomeToWire(outcome: Outcome): wire.Outcome {
  return loose<wire.Outcome>({
    epoch: count(outcome.epoch, 'epoch'),
    state: outcomeStates.toWire(outcome.state),
    reason: reasons.toWire(outcome.reason),
    exitCode: optional(outcome.exitCode, exitCode),
    message: textBytes(outcome.message, MESSAGE_BYTES_MAX, 'message'),
    steps: list(outcome.steps, STEPS_PER_JOB_MAX, 'steps', stepToWire),
    durationMs: count(outcome.durationMs, 'durationMs'),
    logDigest: bytesOrNone(outcome.logDigest, HASH_BYTES, 'logDigest'),
    logLines: count(outcome.logLines, 'logLines')
  })
}

export function outcomeFromWire(message: wire.Outcome | undefined): Outcome {
  const outcome = need(message, 'outcome')
  return {
    epoch: count(outcome.epoch, 'epoch'),
    state: outcomeStates.fromWire(outcome.state),
    reason: reasons.fromWire(outcome.reason),
    exitCode: optional(outcome.exitCode, exitCode),
    message: textBytes(outcome.message, MESSAGE_BYTES_MAX, 'message'),
    steps: list(outcome.steps, STEPS_PER_JOB_MAX, 'steps', stepFromWire),
    durationMs: count(outcome.durationMs, 'durationMs'),
    logDigest: hexOrNone(outcome.logDigest, HASH_BYTES, 'logDigest'),
    logLines: count(outcome.logLines, 'logLines')
  }
}

function stepToWire(step: StepResult): wire.StepResult {
  return loose<wire.StepResult>({
    name: line(step.name, NAME_CHARACTERS_MAX, 'step'),
    state: stepStates.toWire(step.state),
    exitCode: optional(step.exitCode, exitCode),
    durationMs: count(step.durationMs, 'durationMs')
  })
}

function stepFromWire(message: wire.StepResult): StepResult {
  return {
    name: line(message.name, NAME_CHARACTERS_MAX, 'step'),
    state: stepStates.fromWire(message.state),
    exitCode: optional(message.exitCode, exitCode),
    durationMs: count(message.durationMs, 'durationMs')
  }
}

function exitCode(value: number): number {
  return count(value, 'exitCode', EXIT_CODE_MAX)
}
