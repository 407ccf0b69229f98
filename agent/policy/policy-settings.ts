import { z } from 'zod'
import { starsIn } from '../../protocol/core/glob.ts'
import { type HostHours, parseHours } from '../../protocol/core/host-hours.ts'
import type { LoadLimits } from '../../protocol/core/host-load.ts'
import type { HostPolicy } from '../../protocol/core/host-policy.ts'
import {
  HOST_HOURS_MAX,
  HOST_LOAD_PER_CORE_MAX,
  HOST_POLICY_BYTES_MAX,
  HOST_POLICY_PATTERNS_MAX,
  HOST_POLICY_STARS_MAX
} from '../../protocol/core/host-policy-limits.ts'
import { MEMORY_PRESSURE_PERCENT_MAX } from '../../protocol/core/placement-limits.ts'
import { RUN_EVENTS } from '../../protocol/core/run-event.ts'
import { sizeSchema } from '../size-setting.ts'
import {
  authorProblem,
  imageProblem,
  type PatternCheck,
  refProblem,
  registryProblem,
  repositoryProblem
} from './pattern-problem.ts'
import { isZone } from './zone-time.ts'

const NOTHING = 'is an empty list, which would take nothing: leave it out to take all'

function patterns(check: PatternCheck) {
  const pattern = z.string().superRefine((text, context) => {
    const problem = check(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `it ${problem}` })
  })
  return z.array(pattern).min(1, NOTHING).max(HOST_POLICY_PATTERNS_MAX).optional()
}

const hoursSchema = z.string().transform((text, context): HostHours => {
  const parsed = parseHours(text)
  if (parsed.kind === 'hours') return parsed.hours
  context.addIssue({ code: 'custom', message: `it ${parsed.problem}` })
  return z.NEVER
})

const loadSchema = z
  .strictObject({
    /** Load average of one minute, for each core of the host. */
    perCore: z.number().positive().max(HOST_LOAD_PER_CORE_MAX).optional(),
    /** Memory that must be available. */
    freeMemory: sizeSchema.optional(),
    /** Per cent of ten seconds in which some process waited for memory. */
    memoryPressure: z.number().positive().max(MEMORY_PRESSURE_PERCENT_MAX).optional()
  })
  .refine((load) => Object.values(load).some((limit) => limit !== undefined), {
    message: 'use perCore, freeMemory, memoryPressure or several, or leave load out'
  })

/** What the owner lets run on this host, and when. Whatever is left out is let through. */
export const policySchema = z
  .strictObject({
    repositories: patterns(repositoryProblem),
    refs: patterns(refProblem),
    events: z.array(z.enum(RUN_EVENTS)).min(1, NOTHING).max(HOST_POLICY_PATTERNS_MAX).optional(),
    authors: patterns(authorProblem),
    images: patterns(imageProblem),
    registries: patterns(registryProblem),
    /** Only images that are named by a digest. */
    pinned: z.boolean().default(false),
    /** Runs of forks and of branches that are not the repository's own. */
    untrusted: z.enum(['take', 'refuse']).default('take'),
    hours: z.array(hoursSchema).min(1, NOTHING).max(HOST_HOURS_MAX).optional(),
    /** Of the hours; never the host's own, which nobody looks at. */
    zone: z.string().refine(isZone, 'use a time zone such as Europe/Berlin or UTC').optional(),
    load: loadSchema.optional()
  })
  .superRefine(({ hours, zone, ...policy }, context) => {
    if ((hours === undefined) !== (zone === undefined)) {
      const message =
        zone === undefined ? 'name the zone of the hours, as in Europe/Berlin' : 'it needs hours'
      context.addIssue({ code: 'custom', path: ['zone'], message })
    }
    const stars = starsIn(Object.values(listsOf(policy)).flat())
    if (stars > HOST_POLICY_STARS_MAX) {
      const message = `its patterns have ${stars} stars, at most ${HOST_POLICY_STARS_MAX} are allowed`
      context.addIssue({ code: 'custom', message })
    }
    const bytes = bytesOf(policy)
    if (bytes <= HOST_POLICY_BYTES_MAX) return
    const message =
      `its patterns have ${bytes} bytes together, at most ${HOST_POLICY_BYTES_MAX} are allowed ` +
      '(every member is sent them): use * and **'
    context.addIssue({ code: 'custom', message })
  })
  .prefault({})

export type PolicySettings = z.output<typeof policySchema>

type Lists = Pick<
  PolicySettings,
  'repositories' | 'refs' | 'events' | 'authors' | 'images' | 'registries'
>

/** What claims go by, and what others are told; undefined where everything is let through. */
export function hostPolicyOf(settings: PolicySettings): HostPolicy | undefined {
  const { pinned, untrusted } = settings
  const trustedOnly = untrusted === 'refuse'
  if (bytesOf(settings) === 0 && !pinned && !trustedOnly) return undefined
  return { ...listsOf(settings), pinned, trustedOnly }
}

/** Undefined where the load of the host does not matter. */
export function loadLimitsOf(
  { load }: PolicySettings,
  reserveBytes?: number
): LoadLimits | undefined {
  if (load === undefined && reserveBytes === undefined) return undefined
  return {
    perCore: load?.perCore,
    // What is to stay for the host may be taken by what is no job's: nobody else would notice.
    freeMemoryBytes: load?.freeMemory ?? reserveBytes,
    memoryPressure: load?.memoryPressure
  }
}

function listsOf(lists: Lists) {
  const { repositories = [], refs = [], events = [] } = lists
  const { authors = [], images = [], registries = [] } = lists
  return { repositories, refs, events, authors, images, registries }
}

function bytesOf(lists: Lists): number {
  return Buffer.byteLength(Object.values(listsOf(lists)).flat().join(''))
}
