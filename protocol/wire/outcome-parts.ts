import type { GpuUseSummary } from '../core/gpu-use.ts'
import { OUTPUTS_BYTES_MAX, OUTPUTS_MAX } from '../core/graph-limits.ts'
import type { Outcome, StepResult } from '../core/job.ts'
import { MESSAGE_BYTES_MAX, NAME_CHARACTERS_MAX, STEPS_PER_JOB_MAX } from '../core/limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { HASH_BYTES, refuse } from './fields.ts'
import { toPairs } from './pairs.ts'
import { outcomeStates, reasons, stepStates } from './register-names.ts'
import { checkVariable, readPairs, writePair } from './spec-fields.ts'

type Outputs = NonNullable<Outcome['outputs']>

/** Exit codes are one byte on Linux; some engines report wider ones. */
const EXIT_CODE_MAX = 0xff_ff_ff_ff
const PERCENT_MAX = 100

export function writeOutcome(writer: FieldWriter, outcome: Outcome): void {
  const outputs = toPairs(
    checkedOutputs(outcome.outputs ?? {}),
    OUTPUTS_MAX,
    'outputs',
    checkVariable
  )
  writer.optionalMessage(11, outcome.gpuUse, writeGpuUse)
  writer.list(10, 'outputs', OUTPUTS_MAX, outputs, writePair)
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
  const outcome = {
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
  const outputs = checkedOutputs(readPairs(reader, 10, 'outputs', OUTPUTS_MAX, checkVariable))
  const gpuUse = reader.optionalMessage(11, 'gpuUse', readGpuUse)
  return {
    ...outcome,
    ...(Object.keys(outputs).length === 0 ? {} : { outputs }),
    ...(gpuUse === undefined ? {} : { gpuUse })
  }
}

function writeGpuUse(writer: FieldWriter, use: GpuUseSummary): void {
  writer.optionalCount(5, 'memoryMeanBytes', use.memoryMeanBytes)
  writer.optionalCount(4, 'memoryPeakBytes', use.memoryPeakBytes)
  writer.optionalCount(3, 'busyMeanPercent', use.busyMeanPercent, PERCENT_MAX)
  writer.optionalCount(2, 'busyPeakPercent', use.busyPeakPercent, PERCENT_MAX)
  writer.count(1, 'samples', use.samples)
}

function readGpuUse(reader: FieldReader): GpuUseSummary {
  return {
    samples: reader.count(1, 'samples'),
    busyPeakPercent: reader.optionalCount(2, 'busyPeakPercent', PERCENT_MAX),
    busyMeanPercent: reader.optionalCount(3, 'busyMeanPercent', PERCENT_MAX),
    memoryPeakBytes: reader.optionalCount(4, 'memoryPeakBytes'),
    memoryMeanBytes: reader.optionalCount(5, 'memoryMeanBytes')
  }
}

/** Together they are limited: a register carries an outcome twice. */
function checkedOutputs(outputs: Outputs): Outputs {
  const bytes = Buffer.byteLength(Object.entries(outputs).flat().join(''))
  return bytes <= OUTPUTS_BYTES_MAX ? outputs : refuse('outputs', `have ${bytes} bytes`)
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
