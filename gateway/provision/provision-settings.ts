import { z } from 'zod'
import { ASKED_LEVELS } from '../../protocol/core/isolation.ts'
import { LABELS_MAX, REFERENCE_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import {
  PROVISION_IDLE_MS_DEFAULT,
  PROVISION_LABEL_CHARACTERS_MAX,
  PROVISION_LABELS_MAX,
  PROVISION_RUNNERS_MAX,
  PROVISION_SLOTS_DEFAULT,
  PROVISION_SLOTS_MAX,
  PROVISION_TIMEOUT_MS_DEFAULT
} from '../../protocol/core/provision-limits.ts'
import { resources } from '../../protocol/pipeline/job-schema.ts'
import { network } from '../../protocol/pipeline/network.ts'
import { duration, fixedImage, labels, platform } from '../../protocol/pipeline/parts.ts'
import { whole } from '../../protocol/pipeline/shapes.ts'
import { isRunnerForge } from '../forge/runner-api.ts'
import { labelsKey } from './provision.ts'

/** What shells and command lines of runners take as it is; a colon would name an engine. */
const label = z
  .string()
  .max(PROVISION_LABEL_CHARACTERS_MAX)
  .regex(/^[A-Za-z0-9_][\w.-]*$/, 'use letters, digits, dot, dash and underscore')

const program = z
  .string()
  .max(REFERENCE_CHARACTERS_MAX)
  .regex(/^[\w./-]+$/, 'use the path of a program in the image, without spaces')

const runnerSchema = z.strictObject({
  labels: z.array(label).min(1).max(PROVISION_LABELS_MAX),
  image: fixedImage,
  program: program.optional(),
  slots: whole(1, PROVISION_SLOTS_MAX).default(PROVISION_SLOTS_DEFAULT),
  resources: resources('filled').optional(),
  platform: platform.optional(),
  /** Of hosts, as a pipeline file's `labels`. */
  host_labels: labels('filled', LABELS_MAX).optional(),
  isolation: z.enum(ASKED_LEVELS).optional(),
  network: network.default('internet'),
  timeout: duration.default(PROVISION_TIMEOUT_MS_DEFAULT),
  idle: duration.default(PROVISION_IDLE_MS_DEFAULT)
})

export type RunnerSettings = z.output<typeof runnerSchema>

const runnersSchema = z
  .array(runnerSchema)
  .min(1, 'name a label set with its image')
  .max(PROVISION_RUNNERS_MAX)
  .superRefine((runners, context) => {
    const seen = new Set<string>()
    for (const [index, { labels: set }] of runners.entries()) {
      const key = labelsKey(set)
      if (seen.has(key)) {
        const message = `the set ${key} is there twice: a job could be for either`
        context.addIssue({ code: 'custom', path: [index, 'labels'], message })
      }
      seen.add(key)
    }
  })

/** The forge's own runners that the mesh runs for a repository. */
export const provisionSchema = z.strictObject({
  /** Whose runners they are. */
  scope: z.enum(['repository', 'organization']).default('repository'),
  /** GitHub alone; 1 is the group that there is always. */
  runner_group: whole(1, Number.MAX_SAFE_INTEGER).default(1),
  /** Whether jobs of forks get runners. */
  forks: z.enum(['refuse', 'run']).default('refuse'),
  /** Where sandboxes reach the forge, where it is not where the gateway does. */
  url: z
    .url({ protocol: /^https?$/, error: 'use https://HOST/... or http://HOST/...' })
    .max(REFERENCE_CHARACTERS_MAX)
    .regex(/^[\w:/.[\]-]+$/, 'it must hold no user, query, fragment or quotes')
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
  runners: runnersSchema
})

export type ProvisionSettings = z.output<typeof provisionSchema>

interface Entry {
  readonly forge: string
  readonly credential?: string | undefined
  readonly provision?: unknown
}

/** What could never work is refused with what it lacks, not found out by a job that waits. */
export function refuseUnprovisioned(entries: readonly Entry[], context: z.RefinementCtx): void {
  for (const [index, { forge, credential, provision }] of entries.entries()) {
    if (provision === undefined) continue
    const refuse = (message: string): void => {
      context.addIssue({ code: 'custom', path: [index, 'provision'], message })
    }
    if (!isRunnerForge(forge)) {
      refuse(`it is for github, gitea and forgejo: of ${forge} no runner ends after one job`)
    } else if (credential === undefined) {
      refuse(
        'it needs `credential`, a token or an App that may make runners: set one with ' +
          '`gateway credential set`, and name it here'
      )
    }
  }
}
