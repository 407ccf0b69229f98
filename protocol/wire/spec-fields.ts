import { JOB_PIDS_MAX } from '../core/graph-limits.ts'
import {
  CPU_MILLI_MAX,
  ENV_VALUE_BYTES_MAX,
  MEMORY_BYTES_MAX,
  NAME_CHARACTERS_MAX
} from '../core/limits.ts'
import type { Resources } from '../core/run.ts'
import { JOB_DISK_BYTES_MAX } from '../core/volume-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { CHARACTER_BYTES_MAX, line, lineOrNone, refuse, textBytes } from './fields.ts'
import { fromPairs, type PairCheck, type WirePair } from './pairs.ts'

/* Fields that a job and its services have alike. */

const KEY_BYTES_MAX = NAME_CHARACTERS_MAX * CHARACTER_BYTES_MAX

export function writeResources(writer: FieldWriter, resources: Resources): void {
  writer.optionalCount(4, 'pidsMax', resources.pidsMax, JOB_PIDS_MAX, 1)
  writer.optionalCount(3, 'diskBytes', resources.diskBytes, JOB_DISK_BYTES_MAX, 1)
  writer.count(2, 'memoryBytes', resources.memoryBytes, MEMORY_BYTES_MAX, 1)
  writer.count(1, 'cpuMilli', resources.cpuMilli, CPU_MILLI_MAX, 1)
}

export function readResources(reader: FieldReader): Resources {
  const cpuMilli = reader.count(1, 'cpuMilli', CPU_MILLI_MAX, 1)
  const memoryBytes = reader.count(2, 'memoryBytes', MEMORY_BYTES_MAX, 1)
  const diskBytes = reader.optionalCount(3, 'diskBytes', JOB_DISK_BYTES_MAX, 1)
  const pidsMax = reader.optionalCount(4, 'pidsMax', JOB_PIDS_MAX, 1)
  return { cpuMilli, memoryBytes, diskBytes, ...(pidsMax === undefined ? {} : { pidsMax }) }
}

export function readPairs(
  reader: FieldReader,
  field: number,
  name: string,
  max: number,
  check: PairCheck
): Readonly<Record<string, string>> {
  return fromPairs(reader.list(field, name, max, readPair), max, name, check)
}

export function writePair(writer: FieldWriter, pair: WirePair): void {
  writer.textBytes(2, 'value', pair.value, ENV_VALUE_BYTES_MAX)
  writer.textBytes(1, 'key', pair.key, KEY_BYTES_MAX)
}

export const checkLabel: PairCheck = (key, value) => {
  line(key, NAME_CHARACTERS_MAX, 'label')
  lineOrNone(value, NAME_CHARACTERS_MAX, 'label value')
}

function readPair(reader: FieldReader): WirePair {
  return {
    key: reader.textBytes(1, 'key', KEY_BYTES_MAX),
    value: reader.textBytes(2, 'value', ENV_VALUE_BYTES_MAX)
  }
}

export function image(value: string): string {
  return value.startsWith('-') || value.includes(' ')
    ? refuse('image', 'is no image reference')
    : value
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

export const checkVariable: PairCheck = (key, value) => {
  // The engine takes `KEY=VALUE`: with a `=` in it, one name could set another variable.
  if (!VARIABLE.test(key)) refuse('env', `has the name ${JSON.stringify(key)}`)
  line(key, NAME_CHARACTERS_MAX, 'env name')
  withoutNul(textBytes(value, ENV_VALUE_BYTES_MAX, 'env value'), 'env value')
}

/** A NUL would end the argument of `sh -c`, and the rest of the script would never run. */
export function withoutNul(value: string, field: string): string {
  if (value.includes('\0')) refuse(field, 'has a NUL character')
  return value
}
