import { readFile } from 'node:fs/promises'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { type JobSpec, secretNamesOf } from '../../protocol/core/run.ts'
import { MASKED_BYTES_MIN, SECRET_BYTES_MAX } from '../../protocol/core/secret-limits.ts'
import type { SecretValue } from '../execute/attempt-secrets.ts'

/**
 * The values of the secrets that the job names, each what its file holds without the last line end.
 * Throws EXEC_SECRETS_ABSENT, SECRET_INVALID, and USAGE for one that the job does not name.
 */
export async function secretValues(
  spec: JobSpec,
  files: Readonly<Record<string, string>>
): Promise<readonly SecretValue[]> {
  const names = secretNamesOf(spec)
  const other = Object.keys(files).find((name) => !names.includes(name))
  if (other !== undefined) {
    const problem = `--secret-file: ${spec.name} names no secret ${other}`
    throw new MeshError('USAGE', { problem })
  }
  const absent = names.filter((name) => !Object.hasOwn(files, name))
  if (absent.length > 0) {
    throw new MeshError('EXEC_SECRETS_ABSENT', { job: spec.name, names: absent.join(', ') })
  }
  return await Promise.all(
    names.map(async (name) => ({ name, value: await valueIn(name, files[name] ?? '') }))
  )
}

async function valueIn(name: string, file: string): Promise<Uint8Array> {
  const refused = (problem: string): MeshError => new MeshError('SECRET_INVALID', { name, problem })
  const bytes = await readFile(file).catch((error: unknown) => {
    throw refused(`${file} cannot be read (${causeOf(error)})`)
  })
  const value = bytes.subarray(0, bytes.length - lineEndOf(bytes))
  if (value.length > SECRET_BYTES_MAX) {
    throw refused(`it has ${value.length} bytes, at most ${SECRET_BYTES_MAX} are allowed`)
  }
  if (value.includes(0)) throw refused('it holds a zero byte: keep it as base64')
  const bare = Buffer.byteLength(value.toString('utf8').trim())
  if (bare < MASKED_BYTES_MIN) {
    throw refused(`it has ${bare} bytes, fewer than ${MASKED_BYTES_MIN} cannot be masked in logs`)
  }
  return value
}

function lineEndOf(bytes: Buffer): number {
  if (bytes.at(-1) !== 10) return 0
  return bytes.at(-2) === 13 ? 2 : 1
}
