import { z } from 'zod'
import { ASKED_LEVELS } from '../core/isolation.ts'
import {
  BRANCH_GLOBS_MAX,
  ENV_ENTRIES_MAX,
  JOBS_PER_RUN_MAX,
  LABELS_MAX,
  STEPS_PER_JOB_MAX
} from '../core/limits.ts'
import { SECRETS_PER_JOB_MAX } from '../core/secret-limits.ts'
import { envNameProblem } from './environment.ts'
import { globProblem } from './glob.ts'
import { network } from './network.ts'
import { parseCpu, parseDisk, parseDuration, parseMemory } from './quantity.ts'
import {
  secretFileProblem,
  secretNameProblem,
  secretRegistryProblem,
  secretRequests,
  secretsProblem
} from './secrets.ts'
import { services, tooManySecrets } from './services.ts'
import { names, quantity, text } from './shapes.ts'
import {
  envValueProblem,
  imageProblem,
  jobNameProblem,
  labelKeyProblem,
  labelValueProblem,
  platformProblem,
  scriptProblem,
  stepNameProblem
} from './text.ts'

const duration = quantity(parseDuration)
const image = text(imageProblem)
const secretNames = z.array(text(secretNameProblem)).max(SECRETS_PER_JOB_MAX)
const secretFiles = names(
  text(secretNameProblem),
  z.strictObject({
    file: text(secretFileProblem).optional(),
    registry: text(secretRegistryProblem).optional()
  }),
  SECRETS_PER_JOB_MAX
)
// Not a union: that would say of each mistake only that it is neither of two things.
const secrets = z.unknown().transform((input, context) => {
  const isMap = typeof input === 'object' && input !== null && !Array.isArray(input)
  const read = isMap ? secretFiles.safeParse(input) : secretNames.safeParse(input)
  if (read.success) return secretRequests(read.data)
  for (const issue of read.error.issues) context.issues.push({ ...issue, input } as never)
  return z.NEVER
})

const step = z.strictObject({
  name: text(stepNameProblem).optional(),
  run: text(scriptProblem),
  timeout: duration.optional()
})

const jobKeys = z.strictObject({
  image: image.optional(),
  platform: text(platformProblem).optional(),
  emulation: z.enum(['allow', 'forbid']).optional(),
  resources: z
    .strictObject({
      cpu: quantity(parseCpu).optional(),
      memory: quantity(parseMemory).optional(),
      disk: quantity(parseDisk).optional()
    })
    .optional(),
  labels: names(text(labelKeyProblem), text(labelValueProblem), LABELS_MAX).optional(),
  env: names(text(envNameProblem), text(envValueProblem), ENV_ENTRIES_MAX).optional(),
  timeout: duration.optional(),
  on_loss: z.enum(['retry', 'error']).optional(),
  network: network.optional(),
  isolation: z.enum(ASKED_LEVELS).optional(),
  builder: z.boolean().optional(),
  secrets: secrets.optional(),
  services: services.optional(),
  steps: z.array(step).min(1, 'has no steps: add one with `run`').max(STEPS_PER_JOB_MAX)
})
const job = jobKeys.superRefine((found, context) => {
  const message = secretsProblem(found.secrets ?? [], found.env ?? {})
  if (message !== undefined) context.addIssue({ code: 'custom', message, path: ['secrets'] })
  const tooMany = tooManySecrets(found.secrets ?? [], found.services ?? {})
  if (tooMany !== undefined)
    context.addIssue({ code: 'custom', message: tooMany, path: ['services'] })
})

const push = z.strictObject({
  branches: z
    .array(text(globProblem))
    .min(1, 'selects no branch: leave it out for all')
    .max(BRANCH_GLOBS_MAX)
    .optional()
})

/** The file as this version takes it; every other key is an error, none is ignored. */
export const pipelineSchema = z.strictObject({
  on: z.strictObject({ push }).optional(),
  defaults: z
    .strictObject({
      image: image.optional(),
      timeout: duration.optional(),
      network: network.optional()
    })
    .optional(),
  jobs: names(text(jobNameProblem), job, JOBS_PER_RUN_MAX).refine(
    (jobs) => Object.keys(jobs).length > 0,
    'has no jobs: add one with an image and steps'
  )
})

export type PipelineDocument = z.output<typeof pipelineSchema>
export type JobDocument = z.output<typeof job>
export type StepDocument = z.output<typeof step>
