import {
  CPU_MILLI_MAX,
  ENV_ENTRIES_MAX,
  ENV_VALUE_BYTES_MAX,
  IMAGE_CHARACTERS_MAX,
  JOB_TIMEOUT_MS_MAX,
  JOBS_PER_RUN_MAX,
  LABELS_MAX,
  MEMORY_BYTES_MAX,
  NAME_CHARACTERS_MAX,
  SCRIPT_BYTES_MAX,
  STEPS_PER_JOB_MAX
} from '../core/limits.ts'
import type { JobSpec, Resources, StepSpec } from '../core/run.ts'
import { type Limits, loose } from './codec.ts'
import { count, line, lineOrNone, list, need, optional, refuse, textBytes } from './fields.ts'
import * as wire from './generated/announcement.ts'
import { names } from './names.ts'
import { fromPairs, type PairCheck, toPairs } from './pairs.ts'

export const JOB_SPEC_LIMITS = {
  labels: LABELS_MAX,
  env: ENV_ENTRIES_MAX,
  steps: STEPS_PER_JOB_MAX
} satisfies Limits<wire.JobSpec>

const onLosses = names<JobSpec['onLoss'], wire.OnLoss>('onLoss', {
  retry: wire.OnLoss.ON_LOSS_RETRY,
  error: wire.OnLoss.ON_LOSS_ERROR
})

const networks = names<JobSpec['network'], wire.Network>('network', {
  none: wire.Network.NETWORK_NONE
})

export function jobSpecToWire(spec: JobSpec): wire.JobSpec {
  return loose<wire.JobSpec>({
    index: count(spec.index, 'index', JOBS_PER_RUN_MAX - 1),
    name: line(spec.name, NAME_CHARACTERS_MAX, 'job name'),
    image: image(spec.image),
    platform: optional(spec.platform, platform),
    resources: resources(spec.resources),
    labels: toPairs(spec.labels, LABELS_MAX, 'labels', checkLabel),
    env: toPairs(spec.env, ENV_ENTRIES_MAX, 'env', checkVariable),
    timeoutMs: timeout(spec.timeoutMs),
    onLoss: onLosses.toWire(spec.onLoss),
    network: networks.toWire(spec.network),
    steps: list(spec.steps, STEPS_PER_JOB_MAX, 'steps', stepToWire)
  })
}

export function jobSpecFromWire(message: wire.JobSpec): JobSpec {
  return {
    index: count(message.index, 'index', JOBS_PER_RUN_MAX - 1),
    name: line(message.name, NAME_CHARACTERS_MAX, 'job name'),
    image: image(message.image),
    platform: optional(message.platform, platform),
    resources: resources(need(message.resources, 'resources')),
    labels: fromPairs(message.labels, LABELS_MAX, 'labels', checkLabel),
    env: fromPairs(message.env, ENV_ENTRIES_MAX, 'env', checkVariable),
    timeoutMs: timeout(message.timeoutMs),
    onLoss: onLosses.fromWire(message.onLoss),
    network: networks.fromWire(message.network),
    steps: list(message.steps, STEPS_PER_JOB_MAX, 'steps', stepFromWire)
  }
}

function stepToWire(step: StepSpec): wire.StepSpec {
  return loose<wire.StepSpec>({
    name: line(step.name, NAME_CHARACTERS_MAX, 'step name'),
    run: script(step.run),
    timeoutMs: optional(step.timeoutMs, timeout)
  })
}

function stepFromWire(message: wire.StepSpec): StepSpec {
  return {
    name: line(message.name, NAME_CHARACTERS_MAX, 'step name'),
    run: script(message.run),
    timeoutMs: optional(message.timeoutMs, timeout)
  }
}

function resources({ cpuMilli, memoryBytes }: Resources): Resources & wire.Resources {
  return {
    cpuMilli: count(cpuMilli, 'cpuMilli', CPU_MILLI_MAX, 1),
    memoryBytes: count(memoryBytes, 'memoryBytes', MEMORY_BYTES_MAX, 1)
  }
}

function timeout(value: number): number {
  return count(value, 'timeoutMs', JOB_TIMEOUT_MS_MAX, 1)
}

function image(value: string): string {
  if (value.startsWith('-') || value.includes(' ')) refuse('image', 'is no image reference')
  return line(value, IMAGE_CHARACTERS_MAX, 'image')
}

function platform(value: string): string {
  return line(value, NAME_CHARACTERS_MAX, 'platform')
}

/** A NUL would end the argument of `sh -c`, and the rest of the script would never run. */
function script(value: string): string {
  return withoutNul(textBytes(value, SCRIPT_BYTES_MAX, 'run'), 'run')
}

export const checkLabel: PairCheck = (key, value) => {
  line(key, NAME_CHARACTERS_MAX, 'label')
  lineOrNone(value, NAME_CHARACTERS_MAX, 'label value')
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

const checkVariable: PairCheck = (key, value) => {
  // The engine takes `KEY=VALUE`: with a `=` in it, one name could set another variable.
  if (!VARIABLE.test(key)) refuse('env', `has the name ${JSON.stringify(key)}`)
  line(key, NAME_CHARACTERS_MAX, 'env name')
  withoutNul(textBytes(value, ENV_VALUE_BYTES_MAX, 'env value'), 'env value')
}

function withoutNul(value: string, field: string): string {
  if (value.includes('\0')) refuse(field, 'has a NUL character')
  return value
}
