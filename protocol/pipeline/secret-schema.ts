import { z } from 'zod'
import { SECRETS_PER_JOB_MAX } from '../core/secret-limits.ts'
import { ENV_NAME } from './environment.ts'
import {
  SECRET_FILE,
  secretFileProblem,
  secretNameProblem,
  secretRegistryProblem,
  secretRequests
} from './secrets.ts'
import { either, names, text } from './shapes.ts'

const name = text(secretNameProblem, { pattern: ENV_NAME.source })
const place = z.strictObject({
  file: text(secretFileProblem, { pattern: SECRET_FILE.source }).optional(),
  registry: text(secretRegistryProblem).optional()
})

/** `secrets` of a job: a list of variables, or a map of files and logins. */
export const secrets = either(
  names(name, place, SECRETS_PER_JOB_MAX).transform(secretRequests),
  z.array(name).max(SECRETS_PER_JOB_MAX).transform(secretRequests)
)
