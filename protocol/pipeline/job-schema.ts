import { z } from 'zod'
import { JOB_PIDS_MAX, PRIORITY_MAX, RETRIES_MAX } from '../core/graph-limits.ts'
import { ASKED_LEVELS } from '../core/isolation.ts'
import { ENV_ENTRIES_MAX, JOBS_PER_RUN_MAX, LABELS_MAX, STEPS_PER_JOB_MAX } from '../core/limits.ts'
import { JOB_PIDS_MIN } from '../core/pipeline-limits.ts'
import { gpu } from './gpu.ts'
import { matrix } from './matrix.ts'
import { network } from './network.ts'
import { cpu, disk, duration, envName, envValue, image, labels, memory, platform } from './parts.ts'
import { secrets } from './secret-schema.ts'
import { secretsProblem } from './secrets.ts'
import { services, tooManySecrets } from './services.ts'
import { either, type Filling, fillable, names, text, whole } from './shapes.ts'
import {
  groupProblem,
  JOB_NAME,
  jobNameProblem,
  SHORT_TEXT,
  scriptProblem,
  stepNameProblem
} from './text.ts'
import { asMap } from './value.ts'

export const jobName = text(jobNameProblem, { pattern: JOB_NAME.source })

const shortText = { pattern: SHORT_TEXT.source }

const script = text(
  scriptProblem,
  { pattern: '\\S' },
  // A branch may be called `; rm -rf .`, and a shell would do what it is called.
  "has a field, and a script has none: a branch's name could be a command. " +
    'Set a variable by `env`, and use it as in "$NAME"'
)

const step = (filling: Filling) =>
  z.strictObject({
    name: fillable(filling, stepNameProblem, shortText).optional(),
    run: script,
    timeout: duration.optional(),
    always: z.boolean().optional()
  })

export const resources = (filling: Filling) =>
  z.strictObject({
    cpu: cpu.optional(),
    memory: memory.optional(),
    disk: disk.optional(),
    pids: whole(JOB_PIDS_MIN, JOB_PIDS_MAX).optional(),
    gpu: gpu(filling).optional()
  })

const concurrency = (filling: Filling) => {
  const group = fillable(filling, groupProblem, shortText)
  return either(
    z.strictObject({ group, cancel_superseded: z.boolean().optional() }),
    group.transform((name) => ({ group: name, cancel_superseded: undefined }))
  )
}

const needs = z.array(jobName).max(JOBS_PER_RUN_MAX)

const jobKeys = (filling: Filling) =>
  z.strictObject({
    needs: needs.optional(),
    matrix: matrix.optional(),
    image: image(filling).optional(),
    platform: platform.optional(),
    emulation: z.enum(['allow', 'forbid']).optional(),
    resources: resources(filling).optional(),
    labels: labels(filling, LABELS_MAX).optional(),
    prefer: z.strictObject({ labels: labels(filling, LABELS_MAX) }).optional(),
    fallback_after: duration.optional(),
    priority: whole(-PRIORITY_MAX, PRIORITY_MAX).optional(),
    env: names(envName, envValue(filling), ENV_ENTRIES_MAX).optional(),
    timeout: duration.optional(),
    on_loss: z.enum(['retry', 'error']).optional(),
    retry: whole(0, RETRIES_MAX).optional(),
    concurrency: concurrency(filling).optional(),
    network: network.optional(),
    isolation: z.enum(ASKED_LEVELS).optional(),
    builder: z.boolean().optional(),
    secrets: secrets.optional(),
    services: services(filling).optional(),
    steps: z.array(step(filling)).min(1, 'has no steps: add one with `run`').max(STEPS_PER_JOB_MAX)
  })

/** What the rules over several keys of a job look at. */
const RULED: ReadonlySet<PropertyKey> = new Set([
  'secrets',
  'env',
  'services',
  'prefer',
  'fallback_after'
])

/** True where all of that could be read: a wrong `timeout` beside it would hide these rules. */
function isReadable({ value, issues }: z.core.ParsePayload): boolean {
  if (asMap(value) === undefined) return false
  return !issues.some((issue) => issue.continue !== true && RULED.has(issue.path?.[0] ?? ''))
}

/** One entry of `jobs`, with fields in its texts or with their values. */
export const jobSchema = (filling: Filling) =>
  jobKeys(filling)
    .superRefine(
      (found, context) => {
        const issue = (path: string, message: string | undefined) => {
          if (message !== undefined) context.addIssue({ code: 'custom', message, path: [path] })
        }
        issue('secrets', secretsProblem(found.secrets ?? [], found.env ?? {}))
        issue('services', tooManySecrets(found.secrets ?? [], found.services ?? {}))
        // A key without any effect would be ignored in silence.
        if (found.fallback_after !== undefined && found.prefer === undefined) {
          issue('fallback_after', 'has nothing to fall back from: add `prefer`, or remove it')
        }
      },
      { when: isReadable }
    )
    .meta({ dependencies: { fallback_after: ['prefer'] } })

export type JobDocument = z.output<ReturnType<typeof jobSchema>>
export type StepDocument = JobDocument['steps'][number]
