import type { AskedLevel } from '../core/isolation.ts'
import {
  ENV_ENTRIES_MAX,
  IMAGE_CHARACTERS_MAX,
  JOB_TIMEOUT_MS_MAX,
  JOBS_PER_RUN_MAX,
  LABELS_MAX,
  NAME_CHARACTERS_MAX,
  SCRIPT_BYTES_MAX,
  STEPS_PER_JOB_MAX
} from '../core/limits.ts'
import { type JobSpec, type StepSpec, secretNamesOf } from '../core/run.ts'
import { SECRETS_PER_JOB_MAX } from '../core/secret-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'
import { readGpu, writeGpu } from './gpu-request-parts.ts'
import { readGraph, writeGraph } from './graph-parts.ts'
import {
  readNetworkAllow,
  readNetworkKind,
  writeNetworkAllow,
  writeNetworkKind
} from './network-parts.ts'
import { numbered } from './numbered.ts'
import { toPairs } from './pairs.ts'
import { readRunner, writeRunner } from './runner-parts.ts'
import { readSecrets, writeSecrets } from './secret-request-parts.ts'
import { readServices, writeServices } from './service-parts.ts'
import {
  checkLabel,
  checkVariable,
  image,
  readPairs,
  readResources,
  withoutNul,
  writePair,
  writeResources
} from './spec-fields.ts'

/** As `announcement.proto` numbers them. */
const onLosses = numbered<JobSpec['onLoss']>('onLoss', { retry: 1, error: 2 })

/** As `gossip.proto` numbers them, too. */
const asked = numbered<AskedLevel>('isolation', { userns: 2, gvisor: 3, vm: 4 })

export function writeJobSpec(writer: FieldWriter, spec: JobSpec): void {
  checkedSecrets(spec)
  const labels = toPairs(spec.labels, LABELS_MAX, 'labels', checkLabel)
  const env = toPairs(spec.env, ENV_ENTRIES_MAX, 'env', checkVariable)
  writer.optionalMessage(26, spec.runner, writeRunner)
  writeGpu(writer, spec.gpu)
  writeGraph(writer, spec)
  writer.flag(17, 'builder', spec.builder === true)
  writeNetworkAllow(writer, spec.network)
  writer.optionalName(15, spec.isolation, asked)
  writer.flag(14, 'emulation', spec.emulation === 'forbid')
  writeSecrets(writer, 13, spec.secrets ?? [])
  writeServices(writer, spec.services ?? [])
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
  const { network: kind, secrets, services, isolation, ...fields } = readFields(reader)
  const spec: JobSpec = {
    ...fields,
    network: readNetworkAllow(reader, kind),
    ...(isolation === undefined ? {} : { isolation }),
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(services.length === 0 ? {} : { services }),
    ...(reader.flag(17, 'builder') ? { builder: true } : {}),
    ...readGraph(reader),
    ...readGpu(reader),
    ...readRunner(reader)
  }
  return checkedSecrets(spec)
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
    services: readServices(reader),
    secrets: readSecrets(reader, 13),
    emulation: reader.flag(14, 'emulation') ? 'forbid' : 'allow',
    isolation: reader.optionalName(15, asked)
  } as const
}

function writeStep(writer: FieldWriter, step: StepSpec): void {
  writer.flag(4, 'always', step.always === true)
  writer.optionalCount(3, 'timeoutMs', step.timeoutMs, JOB_TIMEOUT_MS_MAX, 1)
  writer.textBytes(2, 'run', withoutNul(step.run, 'run'), SCRIPT_BYTES_MAX)
  writer.line(1, 'step name', step.name, NAME_CHARACTERS_MAX)
}

function readStep(reader: FieldReader): StepSpec {
  return {
    name: reader.line(1, 'step name', NAME_CHARACTERS_MAX),
    run: withoutNul(reader.textBytes(2, 'run', SCRIPT_BYTES_MAX), 'run'),
    timeoutMs: reader.optionalCount(3, 'timeoutMs', JOB_TIMEOUT_MS_MAX, 1),
    ...(reader.flag(4, 'always') ? { always: true } : {})
  }
}

/** One answer of the gateway has the values of all of them. */
function checkedSecrets(spec: JobSpec): JobSpec {
  const { length } = secretNamesOf(spec)
  if (length <= SECRETS_PER_JOB_MAX) return spec
  return refuse('secrets', `has ${length} names with those of services`)
}
