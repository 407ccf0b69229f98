import type { AskedLevel } from '../core/isolation.ts'
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
import { JOB_DISK_BYTES_MAX } from '../core/volume-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { CHARACTER_BYTES_MAX, line, lineOrNone, refuse, textBytes } from './fields.ts'
import {
  readNetworkAllow,
  readNetworkKind,
  writeNetworkAllow,
  writeNetworkKind
} from './network-parts.ts'
import { numbered } from './numbered.ts'
import { fromPairs, type PairCheck, toPairs, type WirePair } from './pairs.ts'
import { readSecrets, writeSecrets } from './secret-request-parts.ts'

/** As `announcement.proto` numbers them. */
const onLosses = numbered<JobSpec['onLoss']>('onLoss', { retry: 1, error: 2 })

/** As `gossip.proto` numbers them, too. */
const asked = numbered<AskedLevel>('isolation', { userns: 2, gvisor: 3, vm: 4 })

const KEY_BYTES_MAX = NAME_CHARACTERS_MAX * CHARACTER_BYTES_MAX

export function writeJobSpec(writer: FieldWriter, spec: JobSpec): void {
  const labels = toPairs(spec.labels, LABELS_MAX, 'labels', checkLabel)
  const env = toPairs(spec.env, ENV_ENTRIES_MAX, 'env', checkVariable)
  writer.flag(17, 'builder', spec.builder === true)
  writeNetworkAllow(writer, spec.network)
  writer.optionalName(15, spec.isolation, asked)
  writer.flag(14, 'emulation', spec.emulation === 'forbid')
  writeSecrets(writer, spec.secrets ?? [])
  writer.list(11, 'steps', STEPS_PER_JOB_MAX, spec.steps, writeStep)
  writeNetworkKind(writer, spec.network)
  writer.name(9, spec.onLoss, onLosses)
  writer.count(8, 'timeoutMs', spec.timeoutMs, JOB_TIMEOUT_MS_MAX, 1)
  writer.list(7, 'env', ENV_ENTRIES_MAX, env, writePair)
  writer.list(6, 'labels', LABELS_MAX, labels, writePair)
  writer.message(5, spec.resources, writeResources)
  writer.optionalLine(4, 'platform', spec.platform, NAME_CHARACTERS_MAX)
  writer.line(3, 'image', image(spec.image), IMAGE_CHARACTERS_MAX)
  writer.line(2, 'job name', spec.name, NAME_CHARACTERS_MAX)
  writer.count(1, 'index', spec.index, JOBS_PER_RUN_MAX - 1)
}

export function readJobSpec(reader: FieldReader): JobSpec {
  const { network: kind, secrets, isolation, ...spec } = readFields(reader)
  const network = readNetworkAllow(reader, kind)
  const builder = reader.flag(17, 'builder') ? { builder: true } : {}
  return {
    ...spec,
    network,
    ...(isolation === undefined ? {} : { isolation }),
    ...(secrets.length === 0 ? {} : { secrets }),
    ...builder
  }
}

/** Fields in the order of their numbers, as they must be. */
function readFields(reader: FieldReader) {
  return {
    index: reader.count(1, 'index', JOBS_PER_RUN_MAX - 1),
    name: reader.line(2, 'job name', NAME_CHARACTERS_MAX),
    image: image(reader.line(3, 'image', IMAGE_CHARACTERS_MAX)),
    platform: reader.optionalLine(4, 'platform', NAME_CHARACTERS_MAX),
    resources: reader.message(5, 'resources', readResources),
    labels: readPairs(reader, 6, 'labels', LABELS_MAX, checkLabel),
    env: readPairs(reader, 7, 'env', ENV_ENTRIES_MAX, checkVariable),
    timeoutMs: reader.count(8, 'timeoutMs', JOB_TIMEOUT_MS_MAX, 1),
    onLoss: reader.name(9, onLosses),
    network: readNetworkKind(reader),
    steps: reader.list(11, 'steps', STEPS_PER_JOB_MAX, readStep),
    secrets: readSecrets(reader),
    emulation: reader.flag(14, 'emulation') ? 'forbid' : 'allow',
    isolation: reader.optionalName(15, asked)
  } as const
}

function writeStep(writer: FieldWriter, step: StepSpec): void {
  writer.optionalCount(3, 'timeoutMs', step.timeoutMs, JOB_TIMEOUT_MS_MAX, 1)
  writer.textBytes(2, 'run', withoutNul(step.run, 'run'), SCRIPT_BYTES_MAX)
  writer.line(1, 'step name', step.name, NAME_CHARACTERS_MAX)
}

function readStep(reader: FieldReader): StepSpec {
  return {
    name: reader.line(1, 'step name', NAME_CHARACTERS_MAX),
    run: withoutNul(reader.textBytes(2, 'run', SCRIPT_BYTES_MAX), 'run'),
    timeoutMs: reader.optionalCount(3, 'timeoutMs', JOB_TIMEOUT_MS_MAX, 1)
  }
}

function writeResources(writer: FieldWriter, resources: Resources): void {
  writer.optionalCount(3, 'diskBytes', resources.diskBytes, JOB_DISK_BYTES_MAX, 1)
  writer.count(2, 'memoryBytes', resources.memoryBytes, MEMORY_BYTES_MAX, 1)
  writer.count(1, 'cpuMilli', resources.cpuMilli, CPU_MILLI_MAX, 1)
}

function readResources(reader: FieldReader): Resources {
  return {
    cpuMilli: reader.count(1, 'cpuMilli', CPU_MILLI_MAX, 1),
    memoryBytes: reader.count(2, 'memoryBytes', MEMORY_BYTES_MAX, 1),
    diskBytes: reader.optionalCount(3, 'diskBytes', JOB_DISK_BYTES_MAX, 1)
  }
}

function readPairs(
  reader: FieldReader,
  field: number,
  name: string,
  max: number,
  check: PairCheck
): Readonly<Record<string, string>> {
  return fromPairs(reader.list(field, name, max, readPair), max, name, check)
}

function writePair(writer: FieldWriter, pair: WirePair): void {
  writer.textBytes(2, 'value', pair.value, ENV_VALUE_BYTES_MAX)
  writer.textBytes(1, 'key', pair.key, KEY_BYTES_MAX)
}

function readPair(reader: FieldReader): WirePair {
  return {
    key: reader.textBytes(1, 'key', KEY_BYTES_MAX),
    value: reader.textBytes(2, 'value', ENV_VALUE_BYTES_MAX)
  }
}

function image(value: string): string {
  return value.startsWith('-') || value.includes(' ')
    ? refuse('image', 'is no image reference')
    : value
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

/** A NUL would end the argument of `sh -c`, and the rest of the script would never run. */
function withoutNul(value: string, field: string): string {
  if (value.includes('\0')) refuse(field, 'has a NUL character')
  return value
}
