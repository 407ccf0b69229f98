import type { Outcome, StepResult } from '../core/job.ts'
import { MESSAGE_BYTES_MAX, NAME_CHARACTERS_MAX, STEPS_PER_JOB_MAX } from '../core/limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { HASH_BYTES } from './fields.ts'
import { outcomeStates, reasons, stepStates } from './register-names.ts'

/** Exit codes are one byte on Linux; some engines report wider ones. */
const EXIT_CODE_MAX = 0xff_ff_ff_ff

export function writeOutcome(writer: FieldWriter, outcome: Outcome): void {
  writer.count(9, 'logLines', outcome.logLines)
  writer.hexOrNone(8, 'logDigest', outcome.logDigest, HASH_BYTES)
  writer.count(7, 'durationMs', outcome.durationMs)
  writer.list(6, 'steps', STEPS_PER_JOB_MAX, outcome.steps, writeStep)
  writer.textBytes(5, 'message', outcome.message, MESSAGE_BYTES_MAX)
  writer.optionalCount(4, 'exitCode', outcome.exitCode, EXIT_CODE_MAX)
  writer.name(3, outcome.reason, reasons)
  writer.name(2, outcome.state, outcomeStates)
  writer.count(1, 'epoch', outcome.epoch)
}

export function readOutcome(reader: FieldReader): Outcome {
  return {
    epoch: reader.count(1, 'epoch'),
    state: reader.name(2, outcomeStates),
    reason: reader.name(3, reasons),
    exitCode: reader.optionalCount(4, 'exitCode', EXIT_CODE_MAX),
    message: reader.textBytes(5, 'message', MESSAGE_BYTES_MAX),
    steps: reader.list(6, 'steps', STEPS_PER_JOB_MAX, readStep),
    durationMs: reader.count(7, 'durationMs'),
    logDigest: reader.hexOrNone(8, 'logDigest', HASH_BYTES),
    logLines: reader.count(9, 'logLines')
  }
}

function writeStep(writer: FieldWriter, step: StepResult): void {
  writer.count(4, 'durationMs', step.durationMs)
  writer.optionalCount(3, 'exitCode', step.exitCode, EXIT_CODE_MAX)
  writer.name(2, step.state, stepStates)
  writer.line(1, 'step', step.name, NAME_CHARACTERS_MAX)
}

function readStep(reader: FieldReader): StepResult {
  return {
    name: reader.line(1, 'step', NAME_CHARACTERS_MAX),
    state: reader.name(2, stepStates),
    exitCode: reader.optionalCount(3, 'exitCode', EXIT_CODE_MAX),
    durationMs: reader.count(4, 'durationMs')
  }
}
