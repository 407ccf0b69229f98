import { z } from 'zod'

/*
 * A job as both programs show it. These types are apart from the domain's on purpose: the inside
 * may change, these keys may not without a new path (REST) or a new schema number (`--json`).
 */

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

const wholeMs = z.number().int()

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
    trust: z.enum(['trusted', 'untrusted']).describe("by its repository's entry in gateway.yaml"),
    state: jobStateSchema,
    reason: z.string().nullable(),
    cancel: z
      .strictObject({
        by: z.string().describe('name of the member, or its peer id'),
        reason: z.string(),
        graceMs: wholeMs.nullable().describe('of its steps, after SIGTERM; null: the usual one')
      })
      .nullable()
      .describe('the order to cancel it, where there is one'),
    why: z.string().describe('one line for people: why it is where it is'),
    holder: z.string().nullable().describe('name of the agent, or its peer id'),
    epoch: z.number().int().describe('the fencing token; 0 before the first claim'),
    attempt: z.number().int(),
    attemptsMax: z.number().int(),
    stage: z
      .strictObject({ name: z.string(), step: z.number().int(), steps: z.number().int() })
      .nullable(),
    exitCode: z.number().int().nullable(),
    announcedAt: z.iso.datetime(),
    ageMs: wholeMs,
    durationMs: wholeMs.nullable(),
    steps: z.array(stepSchema),
    gpuUse: z
      .strictObject({
        samples: z.number().int().describe('looks, 5 s apart'),
        busyPeakPercent: z.number().int().nullable(),
        busyMeanPercent: z.number().int().nullable(),
        memoryPeakBytes: z.number().int().nullable(),
        memoryMeanBytes: z.number().int().nullable()
      })
      .nullable()
      .describe('what an ended job took of its GPUs; null inside where no driver says it'),
    gpusNow: z
      .array(
        z.strictObject({
          gpu: z.string().describe('its id'),
          busyPercent: z.number().int().nullable(),
          memoryBytes: z.number().int().nullable(),
          ageMs: wholeMs.describe('since its agent looked')
        })
      )
      .describe('what a running job has of each of its GPUs, as its holder said last'),
    needs: z.array(z.string()).describe('ids of the jobs that must have succeeded first'),
    retries: z.number().int().describe('attempts besides, where its own commands fail'),
    priority: z.number().int(),
    group: z.string().nullable().describe('jobs of one group run one at a time'),
    matrix: z.record(z.string(), z.string()),
    outputs: z.record(z.string(), z.string()).describe('what jobs that need it are given')
  })
  .meta({ id: 'Job', description: 'one job' })

export type JobDocument = z.infer<typeof jobSchema>
