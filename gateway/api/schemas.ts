import { z } from 'zod'
import { PAGE_ROWS_MAX } from '../../protocol/core/limits.ts'

/*
 * What the API takes and gives. These types are apart from the domain's on purpose: the inside may
 * change, these keys may not without a new path. `agent ... --json` uses the same keys.
 */

const isoTime = z.iso.datetime()
const wholeMs = z.number().int()

export const jobStateSchema = z.enum([
  'queued',
  'leased',
  'running',
  'succeeded',
  'failed',
  'errored',
  'cancelled',
  'skipped'
])

export const runStateSchema = z.enum([
  'received',
  'ignored',
  'queued',
  'running',
  'succeeded',
  'failed',
  'errored',
  'cancelled'
])

export const stepSchema = z.strictObject({
  name: z.string(),
  state: z.enum(['succeeded', 'failed', 'timed_out', 'not_run']),
  exitCode: z.number().int().nullable(),
  durationMs: wholeMs
})

export const jobSchema = z
  .strictObject({
    id: z.string().describe('run id, a full stop, and the index in the pipeline file'),
    shortId: z.string().describe('what people type; unique now, longer when it has to be'),
    run: z.string(),
    repository: z.string(),
    ref: z.string(),
    branch: z.string(),
    commit: z.string(),
    title: z.string().describe('first line of the commit message'),
    name: z.string(),
    state: jobStateSchema,
    reason: z.string().nullable(),
    why: z.string().describe('one line for people: why it is where it is'),
    holder: z.string().nullable().describe('name of the agent, or its peer id'),
    epoch: z.number().int().describe('the fencing token; 0 before the first claim'),
    attempt: z.number().int(),
    attemptsMax: z.number().int(),
    stage: z
      .strictObject({ name: z.string(), step: z.number().int(), steps: z.number().int() })
      .nullable(),
    exitCode: z.number().int().nullable(),
    announcedAt: isoTime,
    ageMs: wholeMs,
    durationMs: wholeMs.nullable(),
    steps: z.array(stepSchema)
  })
  .meta({ id: 'Job', description: 'one job' })

export const jobPageSchema = z
  .strictObject({
    jobs: z.array(jobSchema),
    next: z.string().nullable().describe('cursor of the next page; null on the last one')
  })
  .describe('one page of jobs')

export const runErrorSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  line: z.number().int().nullable(),
  column: z.number().int().nullable(),
  path: z.string().nullable().describe('where in the pipeline file, as in jobs.build.image')
})

export const runSchema = z
  .strictObject({
    id: z.string(),
    shortId: z.string(),
    state: runStateSchema.describe('`received` until a quorum of witnesses has chosen the run'),
    reason: z.string().nullable(),
    repository: z.string(),
    ref: z.string(),
    branch: z.string(),
    commit: z.string(),
    title: z.string(),
    pusher: z.string(),
    gateway: z.string().nullable().describe('peer id of the gateway that announced it'),
    announcedAt: isoTime.nullable(),
    error: runErrorSchema.nullable().describe('why the run has no jobs'),
    jobs: z.array(
      z.strictObject({
        id: z.string(),
        shortId: z.string(),
        name: z.string(),
        state: jobStateSchema
      })
    )
  })
  .meta({ id: 'Run', description: 'one run' })

export const runPageSchema = z
  .strictObject({
    runs: z.array(runSchema),
    next: z.string().nullable().describe('cursor of the next page; null on the last one')
  })
  .describe('one page of runs')

const capacity = z.strictObject({
  cpu: z.number().describe('cores'),
  memoryBytes: z.number().int(),
  jobs: z.number().int()
})

export const agentSchema = z
  .strictObject({
    name: z.string(),
    peerId: z.string(),
    state: z.enum(['starting', 'idle', 'busy', 'paused', 'draining', 'suspect', 'offline']),
    jobsRunning: z.number().int().nullable(),
    platforms: z.array(z.strictObject({ name: z.string(), native: z.boolean() })),
    labels: z.record(z.string(), z.string()),
    capacity: capacity.nullable(),
    free: capacity.nullable(),
    diskFreeBytes: z.number().int().nullable(),
    engine: z.string().nullable(),
    roundTripMs: z.number().nullable(),
    lastSeenMs: wholeMs.nullable().describe('milliseconds since the last sign of life'),
    version: z.string().nullable(),
    jobs: z.array(z.string())
  })
  .meta({ id: 'Agent' })

export const agentListSchema = z
  .strictObject({ agents: z.array(agentSchema) })
  .describe('all agents')

export const healthSchema = z
  .strictObject({
    status: z.enum(['ok', 'no_roster', 'no_quorum', 'stopping']),
    peerId: z.string(),
    version: z.string(),
    witnesses: z.strictObject({
      total: z.number().int(),
      perRun: z.number().int(),
      quorum: z.number().int(),
      reachable: z.number().int()
    }),
    intakeQueued: z.number().int().describe('deliveries stored but not yet recorded on a quorum'),
    problems: z.array(z.string()).describe('one line each: what is wrong, and the way out')
  })
  .describe('how it stands with the witnesses')

export const logLineSchema = z.strictObject({
  number: z.number().int().describe('from 1, without gaps, within one epoch'),
  at: isoTime,
  step: z.number().int().describe('1-based; 0 is what the mesh says'),
  stream: z.enum(['out', 'err', 'mesh']),
  text: z.string()
})

export const receptionSchema = z
  .strictObject({
    verdict: z.enum(['accepted', 'duplicate', 'ignored']),
    delivery: z.string().nullable(),
    run: z
      .string()
      .nullable()
      .describe('the run that it starts or started; null where it starts none'),
    reason: z.string()
  })
  .describe('what became of the delivery')

/** A number in a query string. */
function count(min: number, max: number, fallback: number) {
  return z.coerce.number().int().min(min).max(max).default(fallback)
}

/** `?state=queued,running` or `?state=queued&state=running`. */
const states = z
  .union([z.string(), z.array(z.string()).max(16)])
  .transform((value) => [value].flat().flatMap((text) => text.split(',')))
  .pipe(z.array(jobStateSchema).min(1))

const text = z.string().min(1).max(1_024)

export const jobQuerySchema = z.strictObject({
  state: states.optional().describe('one or several, with commas'),
  repository: text.optional(),
  ref: text.optional().describe('refs/heads/main or main'),
  holder: text.optional().describe('name or peer id of an agent'),
  run: text.optional().describe('full run id'),
  since: z.iso.datetime({ offset: true }).optional(),
  cursor: text.optional().describe('`next` of the page before'),
  limit: count(1, PAGE_ROWS_MAX, 50)
})

export const runQuerySchema = z.strictObject({
  repository: text.optional(),
  ref: text.optional(),
  cursor: text.optional(),
  limit: count(1, PAGE_ROWS_MAX, 50)
})

export const logQuerySchema = z.strictObject({
  from: count(1, Number.MAX_SAFE_INTEGER, 1).describe('first line'),
  epoch: z.coerce.number().int().min(1).optional().describe('the latest when absent'),
  format: z.enum(['text', 'json']).optional().describe('json gives one document a line')
})

export const idSchema = z.strictObject({ id: z.string().min(1).max(128) })

export type JobDocument = z.infer<typeof jobSchema>
export type RunDocument = z.infer<typeof runSchema>
export type AgentDocument = z.infer<typeof agentSchema>
export type HealthDocument = z.infer<typeof healthSchema>
export type JobQuery = z.infer<typeof jobQuerySchema>
