import { z } from 'zod'
import { agentSightingShape } from '../../protocol/api/agent-sighting.ts'
import {
  eventSchema,
  jobFilterShape,
  logStartShape,
  rowsSchema,
  textSchema,
  wordsSchema
} from '../../protocol/api/job-query.ts'
import { jobSchema, jobStateSchema } from '../../protocol/api/job-schema.ts'
import { witnessCountsSchema } from '../../protocol/api/witness-counts.ts'

/*
 * What the API takes and gives, besides what both programs say (protocol/api). These types are
 * apart from the domain's on purpose: the inside may change, these keys may not without a new path.
 */

export const runStateSchema = z.enum([
  'received',
  'waiting',
  'ignored',
  'queued',
  'running',
  'succeeded',
  'failed',
  'errored',
  'cancelled'
])

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
    state: runStateSchema.describe(
      '`received` until a quorum of witnesses has chosen the run; `waiting` for an approval'
    ),
    reason: z.string().nullable(),
    repository: z.string(),
    ref: z.string(),
    branch: z.string(),
    event: eventSchema.describe('what started it'),
    commit: z.string(),
    title: z.string(),
    pusher: z.string(),
    gateway: z.string().nullable().describe('peer id of the gateway that announced it'),
    announcedAt: z.iso.datetime().nullable(),
    error: runErrorSchema.nullable().describe('why the run has no jobs'),
    jobs: z.array(
      z.strictObject({
        id: z.string(),
        shortId: z.string(),
        name: z.string(),
        state: jobStateSchema,
        needs: z.array(z.string()).describe('ids of the jobs that must have succeeded first'),
        retries: z.number().int().describe('attempts besides, where its own commands fail'),
        group: z.string().nullable().describe('jobs of one group run one at a time')
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

export const agentSchema = z
  .strictObject({ name: z.string(), peerId: z.string(), ...agentSightingShape })
  .meta({ id: 'Agent' })

export const agentListSchema = z
  .strictObject({ agents: z.array(agentSchema) })
  .describe('all agents')

export const healthSchema = z
  .strictObject({
    status: z.enum(['ok', 'no_roster', 'no_quorum', 'stopping']),
    peerId: z.string(),
    version: z.string(),
    witnesses: witnessCountsSchema,
    intakeQueued: z.number().int().describe('deliveries stored but not yet recorded on a quorum'),
    problems: z.array(z.string()).describe('one line each: what is wrong, and the way out')
  })
  .describe('how it stands with the witnesses')

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

export const jobQuerySchema = z.strictObject({
  ...jobFilterShape,
  cursor: textSchema.optional().describe('`next` of the page before'),
  limit: rowsSchema
})

/** What a list of runs can be asked for: what is neither announced nor waiting is in none. */
const listedStatesSchema = z.array(runStateSchema.exclude(['received', 'ignored'])).min(1)

export const runQuerySchema = z.strictObject({
  state: wordsSchema.pipe(listedStatesSchema).optional().describe('one or several, with commas'),
  repository: textSchema.optional(),
  ref: textSchema.optional().describe('refs/heads/main or main'),
  event: eventSchema.optional(),
  cursor: textSchema.optional(),
  limit: rowsSchema
})

export const logQuerySchema = z.strictObject({
  ...logStartShape,
  format: z.enum(['text', 'json']).optional().describe('json gives one document a line')
})

export const rejectSchema = z.strictObject({
  reason: textSchema.optional().describe('shown with the run')
})

export const cancelledSchema = z
  .strictObject({
    verdict: z
      .enum(['cancelled', 'requested'])
      .describe('requested: its holder stops it; it may still finish before it hears of that'),
    job: jobSchema
  })
  .describe('what became of the order')

export const runCancelledSchema = z
  .strictObject({
    run: runSchema,
    jobs: z.array(
      z.strictObject({
        id: z.string(),
        verdict: z
          .enum(['cancelled', 'requested', 'ended'])
          .describe('as for one job; ended: it had ended before the order came')
      })
    )
  })
  .describe('what became of the order, for each job that was open')

export type RunDocument = z.infer<typeof runSchema>
export type AgentDocument = z.infer<typeof agentSchema>
export type HealthDocument = z.infer<typeof healthSchema>
export type JobQuery = z.infer<typeof jobQuerySchema>
export type RunQuery = z.infer<typeof runQuerySchema>
export type RunCancelled = z.infer<typeof runCancelledSchema>
