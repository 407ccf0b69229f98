import { z } from 'zod'

/*
 * What `--json` prints and the local API answers. These types are apart from the domain's on
 * purpose: the inside may change, these keys may not without a new schema number.
 */

const isoTime = z.iso.datetime()

const capacity = z.strictObject({
  cpu: z.number().describe('cores'),
  memoryBytes: z.number().int(),
  jobs: z.number().int()
})

export const peerSchema = z.strictObject({
  name: z.string(),
  peerId: z.string(),
  self: z.boolean(),
  roles: z.array(z.enum(['agent', 'gateway', 'witness', 'operator'])),
  state: z.enum(['starting', 'idle', 'busy', 'paused', 'draining', 'suspect', 'offline', 'up']),
  jobsRunning: z.number().int().nullable(),
  platforms: z.array(z.strictObject({ name: z.string(), native: z.boolean() })),
  labels: z.record(z.string(), z.string()),
  capacity: capacity.nullable(),
  free: capacity.nullable(),
  diskFreeBytes: z.number().int().nullable(),
  engine: z.string().nullable(),
  roundTripMs: z.number().nullable(),
  lastSeenMs: z.number().int().nullable().describe('milliseconds since the last sign of life'),
  version: z.string().nullable(),
  addresses: z.array(z.string()),
  jobs: z.array(z.string())
})

export const healthLineSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  fix: z.string().nullable()
})

export const statusSchema = z.strictObject({
  schema: z.literal('agent.status/1'),
  at: isoTime,
  self: z.strictObject({ name: z.string(), peerId: z.string(), version: z.string() }),
  health: z.array(healthLineSchema),
  peers: z.array(peerSchema),
  jobs: z.strictObject({
    queued: z.number().int(),
    running: z.number().int(),
    ended: z.number().int()
  }),
  witnesses: z.strictObject({
    total: z.number().int(),
    perRun: z.number().int(),
    quorum: z.number().int(),
    reachable: z.number().int()
  }),
  roster: z.strictObject({
    version: z.number().int(),
    witnessEpoch: z.number().int(),
    authority: z.string()
  })
})

export const stepSchema = z.strictObject({
  name: z.string(),
  state: z.enum(['succeeded', 'failed', 'timed_out', 'not_run']),
  exitCode: z.number().int().nullable(),
  durationMs: z.number().int()
})

export const jobSchema = z.strictObject({
  id: z.string(),
  shortId: z.string(),
  run: z.string(),
  repository: z.string(),
  ref: z.string(),
  branch: z.string(),
  commit: z.string(),
  title: z.string(),
  name: z.string(),
  state: z.enum([
    'queued',
    'leased',
    'running',
    'succeeded',
    'failed',
    'errored',
    'cancelled',
    'skipped'
  ]),
  reason: z.string().nullable(),
  why: z.string().describe('one line for people: why it is where it is'),
  holder: z.string().nullable().describe('name of the agent, or its peer id'),
  epoch: z.number().int(),
  attempt: z.number().int(),
  attemptsMax: z.number().int(),
  stage: z
    .strictObject({
      name: z.string(),
      step: z.number().int(),
      steps: z.number().int()
    })
    .nullable(),
  exitCode: z.number().int().nullable(),
  announcedAt: isoTime,
  ageMs: z.number().int(),
  durationMs: z.number().int().nullable(),
  steps: z.array(stepSchema)
})

export const jobsSchema = z.strictObject({
  schema: z.literal('agent.jobs/1'),
  at: isoTime,
  jobs: z.array(jobSchema)
})

export const logLineSchema = z.strictObject({
  number: z.number().int(),
  at: isoTime,
  step: z.number().int(),
  stream: z.enum(['out', 'err', 'mesh']),
  text: z.string()
})

export const logSchema = z.strictObject({
  schema: z.literal('agent.log/1'),
  job: jobSchema,
  epoch: z.number().int(),
  from: z.enum(['spool', 'holder', 'gateway', 'none']),
  lines: z.array(logLineSchema),
  next: z.number().int().describe('line number to ask for next'),
  end: z.boolean().describe('nothing follows: the attempt has ended and its log is whole')
})

export const admitSchema = z.strictObject({
  id: z.string().describe('peerId/storeId as printed by `agent id` or `gateway id`'),
  name: z.string(),
  roles: z.array(z.enum(['agent', 'gateway', 'operator'])).min(1),
  addresses: z.array(z.string()).min(1),
  witness: z.boolean(),
  zone: z.string()
})

export const admittedSchema = z.strictObject({
  schema: z.literal('agent.admitted/1'),
  name: z.string(),
  peerId: z.string(),
  rosterVersion: z.number().int(),
  witnessEpoch: z.number().int(),
  pushed: z.boolean().describe('false: the roster goes out when the agent starts')
})

export type PeerView = z.infer<typeof peerSchema>
export type HealthLine = z.infer<typeof healthLineSchema>
export type StatusView = z.infer<typeof statusSchema>
export type JobView = z.infer<typeof jobSchema>
export type JobsView = z.infer<typeof jobsSchema>
export type LogView = z.infer<typeof logSchema>
export type AdmitRequest = z.infer<typeof admitSchema>
export type AdmittedView = z.infer<typeof admittedSchema>
