import { readFile } from 'node:fs/promises'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { type JobSpec, secretNamesOf } from '../../protocol/core/run.ts'
import { secretValueProblem, withoutLineEnd } from '../../protocol/host/secret-value.ts'
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
  const value = withoutLineEnd(bytes)
  const problem = secretValueProblem(value)
  if (problem !== undefined) throw refused(problem)
  return value
}
