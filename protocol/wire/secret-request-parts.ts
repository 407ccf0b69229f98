import { registryProblem } from '../core/registry-login.ts'
import type { SecretRequest } from '../core/run.ts'
import {
  REGISTRY_CHARACTERS_MAX,
  SECRET_NAME_CHARACTERS_MAX,
  SECRETS_PER_JOB_MAX
} from '../core/secret-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Never a path out of the folder that is in memory: elsewhere a value would be on a disk. */
const FILE = /^\/run\/secrets\/[A-Za-z0-9_][A-Za-z0-9._-]*$/
const FILE_CHARACTERS_MAX = '/run/secrets/'.length + SECRET_NAME_CHARACTERS_MAX

export function writeSecrets(
  writer: FieldWriter,
  field: number,
  secrets: readonly SecretRequest[]
): void {
  const checked = distinct(secrets.map(checkedRequest))
  writer.list(field, 'secrets', SECRETS_PER_JOB_MAX, checked, (inner, { name, file, registry }) => {
    inner.optionalLine(3, 'registry', registry, REGISTRY_CHARACTERS_MAX)
    inner.optionalLine(2, 'secret file', file, FILE_CHARACTERS_MAX)
    inner.line(1, 'secret name', name, SECRET_NAME_CHARACTERS_MAX)
  })
}

export function readSecrets(reader: FieldReader, field: number): readonly SecretRequest[] {
  return distinct(
    reader.list(field, 'secrets', SECRETS_PER_JOB_MAX, (inner) => {
      const name = inner.line(1, 'secret name', SECRET_NAME_CHARACTERS_MAX)
      const file = inner.optionalLine(2, 'secret file', FILE_CHARACTERS_MAX)
      const registry = inner.optionalLine(3, 'registry', REGISTRY_CHARACTERS_MAX)
      return checkedRequest({ name, file, ...(registry === undefined ? {} : { registry }) })
    })
  )
}

function checkedRequest(request: SecretRequest): SecretRequest {
  const { name, file, registry } = request
  if (!NAME.test(name)) refuse('secrets', `has the name ${JSON.stringify(name)}`)
  if (file !== undefined && !FILE.test(file)) {
    refuse('secrets', `has the file ${JSON.stringify(file)}`)
  }
  if (registry === undefined) return request
  if (file !== undefined) refuse('secrets', `has ${JSON.stringify(name)} as file and as login`)
  const problem = registryProblem(registry)
  if (problem !== undefined) refuse('secrets', `has ${JSON.stringify(registry)}, which ${problem}`)
  return request
}

function distinct(requests: readonly SecretRequest[]): readonly SecretRequest[] {
  const seen = new Set<string>()
  for (const { name, file, registry } of requests) {
    for (const each of [name, file, registry].filter((one) => one !== undefined)) {
      if (seen.has(each)) refuse('secrets', `has ${JSON.stringify(each)} twice`)
      seen.add(each)
    }
  }
  return requests
}
