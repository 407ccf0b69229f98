import { z } from 'zod'
import { agentSightingShape, agentStateSchema } from '../../protocol/api/agent-sighting.ts'
import { jobSchema } from '../../protocol/api/job-schema.ts'
import { logLineSchema } from '../../protocol/api/log-line-document.ts'
import { witnessCountsSchema } from '../../protocol/api/witness-counts.ts'
import { INVITE_MS_MAX } from '../../protocol/core/join-limits.ts'
import { gpuUseSchema } from './gpu-use-view.ts'

/*
 * What `--json` prints and the local API answers, besides what both programs say (protocol/api).
 * These types are apart from the domain's on purpose: the inside may change, these keys may not
 * without a new schema number.
 */

export const peerSchema = z.strictObject({
  name: z.string(),
  peerId: z.string(),
  self: z.boolean(),
  roles: z.array(z.enum(['agent', 'gateway', 'witness', 'operator'])),
  ...agentSightingShape,
  gpuUse: z.array(gpuUseSchema).describe('of this agent itself, by its last look; else empty'),
  // A member that is no agent says nothing of itself: it is up or offline.
  state: z.enum([...agentStateSchema.options, 'up']),
  addresses: z.array(z.string())
})

export const healthLineSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  fix: z.string().nullable()
})

export const statusSchema = z.strictObject({
  schema: z.literal('agent.status/1'),
  at: z.iso.datetime(),
  self: z.strictObject({ name: z.string(), peerId: z.string(), version: z.string() }),
  health: z.array(healthLineSchema),
  peers: z.array(peerSchema),
  jobs: z.strictObject({
    queued: z.number().int(),
    running: z.number().int(),
    ended: z.number().int()
  }),
  witnesses: witnessCountsSchema,
  roster: z.strictObject({
    version: z.number().int(),
    witnessEpoch: z.number().int(),
    authority: z.string()
  })
})

export const jobsSchema = z.strictObject({
  schema: z.literal('agent.jobs/1'),
  at: z.iso.datetime(),
  jobs: z.array(jobSchema)
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

export const reseatSchema = z.strictObject({
  without: z.array(z.string()).describe('names of witnesses that are gone for good'),
  lost: z.array(z.number().int().positive()).describe('witness epochs that are given up')
})

export const reseatedSchema = z.strictObject({
  schema: z.literal('agent.reseated/1'),
  rosterVersion: z.number().int(),
  witnessEpoch: z.number().int(),
  witnesses: z.array(z.string()).describe('names of those that are left'),
  lostEpochs: z.array(z.number().int()),
  pushed: z.boolean().describe('false: the roster goes out when the agent starts')
})

export const revokeSchema = z.strictObject({
  whom: z.array(z.string()).min(1).describe('names or peer ids of members')
})

export const revokedSchema = z.strictObject({
  schema: z.literal('agent.revoked/1'),
  revoked: z.array(
    z.strictObject({
      name: z.string(),
      peerId: z.string(),
      roles: z.array(z.enum(['agent', 'gateway', 'witness', 'operator']))
    })
  ),
  rosterVersion: z.number().int(),
  witnessEpoch: z.number().int(),
  witnesses: z.array(z.string()).describe('names of those that are left'),
  pushed: z.boolean().describe('false: the roster goes out when the agent starts')
})

export const inviteRequestSchema = z.strictObject({
  roles: z
    .array(z.enum(['agent', 'gateway', 'operator']))
    .min(1)
    .max(3),
  witness: z.boolean(),
  forMs: z.number().int().positive().max(INVITE_MS_MAX).describe('how long it is good')
})

export const inviteSchema = z.strictObject({
  schema: z.literal('agent.invite/1'),
  string: z.string().describe('the join string: whoever has it may join, once'),
  roles: z.array(z.enum(['agent', 'gateway', 'operator'])),
  witness: z.boolean(),
  expiresAt: z.iso.datetime(),
  inviter: z.string(),
  addresses: z.array(z.string()).describe('where the joiner looks for the inviter')
})

export const admittedSchema = z.strictObject({
  schema: z.literal('agent.admitted/1'),
  name: z.string(),
  peerId: z.string(),
  rosterVersion: z.number().int(),
  witnessEpoch: z.number().int(),
  pushed: z.boolean().describe('false: the roster goes out when the agent starts')
})

export const doctorSchema = z.strictObject({
  schema: z.literal('agent.doctor/1'),
  at: z.iso.datetime(),
  findings: z.array(
    z.strictObject({
      code: z.string(),
      verdict: z.enum(['ok', 'note', 'warning', 'failed']),
      subject: z.string(),
      found: z.string(),
      wanted: z.string(),
      fix: z.string().nullable()
    })
  ),
  failed: z.number().int(),
  warnings: z.number().int()
})

export const resetSchema = z.strictObject({
  schema: z.literal('agent.witness-reset/1'),
  id: z.string().describe('peerId/storeId, as `agent admit` takes it'),
  aside: z.string().nullable().describe('folder in the state folder that has the old store'),
  rosterVersion: z.number().int().nullable().describe('signed here; null where the key is not'),
  admit: z.string().nullable().describe('to be run where the authority’s key is')
})

export const cancelledSchema = z.strictObject({
  schema: z.literal('agent.cancelled/1'),
  verdict: z
    .enum(['cancelled', 'requested'])
    .describe('requested: its holder stops it; it may still finish before it hears of that'),
  job: jobSchema
})

export const ordersSchema = z.strictObject({
  schema: z.literal('agent.orders/1'),
  state: agentStateSchema.describe('of this agent, by its own word'),
  jobs: z.array(z.string()).describe('ids of the jobs held'),
  drained: z.boolean().describe('draining, and nothing is held or being claimed')
})

export type PeerView = z.infer<typeof peerSchema>
export type HealthLine = z.infer<typeof healthLineSchema>
export type StatusView = z.infer<typeof statusSchema>
export type JobsView = z.infer<typeof jobsSchema>
export type LogView = z.infer<typeof logSchema>
export type CancelledView = z.infer<typeof cancelledSchema>
export type OrdersView = z.infer<typeof ordersSchema>
export type DoctorView = z.infer<typeof doctorSchema>
export type ResetView = z.infer<typeof resetSchema>
export type AdmitRequest = z.infer<typeof admitSchema>
export type ReseatRequest = z.infer<typeof reseatSchema>
export type ReseatedView = z.infer<typeof reseatedSchema>
export type RevokeRequest = z.infer<typeof revokeSchema>
export type RevokedView = z.infer<typeof revokedSchema>
export type InviteRequest = z.infer<typeof inviteRequestSchema>
export type InviteView = z.infer<typeof inviteSchema>
export type AdmittedView = z.infer<typeof admittedSchema>
