import type { JobOpBody } from '../core/job.ts'
import { VALUE_BYTES_MAX } from '../core/limits.ts'
import type { RunOpBody } from '../core/run.ts'
import { fieldCodec } from './field-codec.ts'
import { readJobBody, readRunBody, writeJobBody, writeRunBody } from './op-parts.ts'
import { sha256Hex } from './statement.ts'

const jobBodies = fieldCodec<JobOpBody>({
  what: 'job operation',
  bytesMax: VALUE_BYTES_MAX,
  read: readJobBody,
  write: writeJobBody
})

const runBodies = fieldCodec<RunOpBody>({
  what: 'run operation',
  bytesMax: VALUE_BYTES_MAX,
  read: readRunBody,
  write: writeRunBody
})

/** `argsHash` of a job's op: SHA-256 over the body's bytes, as hex. Throws MESSAGE_INVALID. */
export function argsHashOfJob(body: JobOpBody): string {
  return sha256Hex(jobBodies.encode(body))
}

/** `argsHash` of a run's op. Throws MESSAGE_INVALID. */
export function argsHashOfRun(body: RunOpBody): string {
  return sha256Hex(runBodies.encode(body))
}
