import { ENV_ENTRIES_MAX, IMAGE_CHARACTERS_MAX } from '../core/limits.ts'
import type { Resources, SecretRequest, ServiceReadiness, ServiceSpec } from '../core/run.ts'
import {
  SERVICE_COMMAND_BYTES_MAX,
  SERVICE_COMMAND_WORDS_MAX,
  SERVICE_NAME_CHARACTERS_MAX,
  SERVICE_READY_MS_MAX,
  SERVICES_PER_JOB_MAX
} from '../core/service-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'
import { toPairs } from './pairs.ts'
import { readSecrets, writeSecrets } from './secret-request-parts.ts'
import {
  checkVariable,
  image,
  readPairs,
  readResources,
  withoutNul,
  writePair,
  writeResources
} from './spec-fields.ts'

const FIELD = 12
const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/
const PORT_MAX = 65_535

export function writeServices(writer: FieldWriter, services: readonly ServiceSpec[]): void {
  writer.list(FIELD, 'services', SERVICES_PER_JOB_MAX, distinct(services), writeService)
}

export function readServices(reader: FieldReader): readonly ServiceSpec[] {
  return distinct(reader.list(FIELD, 'services', SERVICES_PER_JOB_MAX, readService))
}

function writeService(writer: FieldWriter, service: ServiceSpec): void {
  const env = toPairs(service.env, ENV_ENTRIES_MAX, 'service env', checkVariable)
  writer.message(7, service.ready, writeReadiness)
  writer.message(6, withoutDisk(service.resources), writeResources)
  writeSecrets(writer, 5, files(service.secrets))
  writeWords(writer, 4, 'service command', service.command)
  writer.list(3, 'service env', ENV_ENTRIES_MAX, env, writePair)
  writer.line(2, 'service image', image(service.image), IMAGE_CHARACTERS_MAX)
  writer.line(1, 'service name', name(service.name), SERVICE_NAME_CHARACTERS_MAX)
}

function readService(reader: FieldReader): ServiceSpec {
  return {
    name: name(reader.line(1, 'service name', SERVICE_NAME_CHARACTERS_MAX)),
    image: image(reader.line(2, 'service image', IMAGE_CHARACTERS_MAX)),
    env: readPairs(reader, 3, 'service env', ENV_ENTRIES_MAX, checkVariable),
    command: readWords(reader, 4, 'service command'),
    secrets: files(readSecrets(reader, 5)),
    resources: withoutDisk(reader.message(6, 'service resources', readResources)),
    ready: reader.message(7, 'service ready', readReadiness)
  }
}

function writeReadiness(writer: FieldWriter, ready: ServiceReadiness): void {
  writer.count(3, 'ready timeoutMs', ready.timeoutMs, SERVICE_READY_MS_MAX, 1)
  writeWords(writer, 2, 'ready command', ready.command)
  writer.optionalCount(1, 'ready port', ready.port, PORT_MAX, 1)
}

function readReadiness(reader: FieldReader): ServiceReadiness {
  return {
    port: reader.optionalCount(1, 'ready port', PORT_MAX, 1),
    command: readWords(reader, 2, 'ready command'),
    timeoutMs: reader.count(3, 'ready timeoutMs', SERVICE_READY_MS_MAX, 1)
  }
}

function writeWords(
  writer: FieldWriter,
  field: number,
  what: string,
  words: readonly string[] | undefined
): void {
  for (const word of (checkedWords(words, what) ?? []).toReversed()) {
    writer.textBytes(field, what, word, SERVICE_COMMAND_BYTES_MAX)
  }
}

function readWords(
  reader: FieldReader,
  field: number,
  what: string
): readonly string[] | undefined {
  const words: string[] = []
  while (words.length <= SERVICE_COMMAND_WORDS_MAX && reader.isNext(field)) {
    words.push(reader.textBytes(field, what, SERVICE_COMMAND_BYTES_MAX))
  }
  return words.length === 0 ? undefined : checkedWords(words, what)
}

function checkedWords(
  words: readonly string[] | undefined,
  what: string
): readonly string[] | undefined {
  if (words === undefined) return undefined
  const { length } = words
  if (length === 0) refuse(what, 'is empty')
  if (length > SERVICE_COMMAND_WORDS_MAX) refuse(what, `has ${length} words`)
  // An empty word would be none at all where it is read again.
  if (words.includes('')) refuse(what, 'has an empty word')
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(withoutNul(word, what)), 0)
  return bytes <= SERVICE_COMMAND_BYTES_MAX ? words : refuse(what, `has ${bytes} bytes`)
}

function name(value: string): string {
  return NAME.test(value) ? value : refuse('service name', `is ${JSON.stringify(value)}`)
}

/** Nobody would keep to them. */
function withoutDisk({ cpuMilli, memoryBytes, diskBytes, pidsMax }: Resources): Resources {
  if (pidsMax !== undefined) refuse('service resources', 'name a number of processes')
  return diskBytes === undefined
    ? { cpuMilli, memoryBytes }
    : refuse('service resources', 'name a disk')
}

/** A variable of a service would be one that every process of its image sees and prints. */
function files(secrets: readonly SecretRequest[]): readonly SecretRequest[] {
  const variable = secrets.find(({ file }) => file === undefined)
  if (variable !== undefined) refuse('service secrets', `has ${variable.name} without a file`)
  return secrets
}

function distinct(services: readonly ServiceSpec[]): readonly ServiceSpec[] {
  const names = new Set(services.map((service) => service.name))
  return names.size === services.length ? services : refuse('services', 'has one name twice')
}
