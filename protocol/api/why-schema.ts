import { z } from 'zod'
import { agentStateSchema } from './agent-sighting.ts'
import { jobSchema } from './job-schema.ts'

export const requirementSchema = z.strictObject({
  requirement: z.string().describe('`platform`, `free cpu`, `label KEY`, `takes jobs`, ...'),
  wanted: z.string(),
  offered: z.string(),
  met: z.boolean(),
  resolves: z.boolean().describe('met, or will be without anybody’s doing'),
  fix: z.string().nullable().describe('what would meet it where time does not')
})

export const hostOutlookSchema = z.strictObject({
  peerId: z.string(),
  name: z.string(),
  state: agentStateSchema,
  takes: z.boolean().describe('it may claim the job now'),
  resolves: z.boolean().describe('it will be able to without anybody’s doing'),
  requirements: z.array(requirementSchema)
})

export const whySchema = z
  .strictObject({
    job: jobSchema,
    waits: z.boolean().describe('false for a job that runs or has ended: then no hosts are listed'),
    resolves: z.boolean().describe('it begins without anybody’s doing, as far as is known'),
    fix: z.string().nullable().describe('what would help, of the host that comes closest'),
    ahead: z.number().int().describe('queued jobs that came earlier and want the same agents'),
    hosts: z.array(hostOutlookSchema).describe('every known host, those that come closest first')
  })
  .meta({ id: 'Why', description: 'why a job waits, requirement by requirement and host by host' })

export type WhyDocument = z.infer<typeof whySchema>
