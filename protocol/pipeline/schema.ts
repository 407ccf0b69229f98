import { z } from 'zod'
import { JOBS_PER_RUN_MAX } from '../core/limits.ts'
import { events } from './events.ts'
import { jobName, jobSchema } from './job-schema.ts'
import { network } from './network.ts'
import { duration, fixedImage } from './parts.ts'
import { names } from './shapes.ts'

/** A job whose texts may have fields. */
export const jobFileSchema = jobSchema('file')

/** The file as this version takes it; every other key is an error, none is ignored. */
export const pipelineSchema = z.strictObject({
  on: events.optional(),
  defaults: z
    .strictObject({
      image: fixedImage.optional(),
      timeout: duration.optional(),
      network: network.optional()
    })
    .optional(),
  jobs: names(jobName, jobFileSchema, JOBS_PER_RUN_MAX)
    .refine((jobs) => Object.keys(jobs).length > 0, 'has no jobs: add one with an image and steps')
    .meta({ minProperties: 1, maxProperties: JOBS_PER_RUN_MAX })
})

/** A job whose fields have their values. */
export const filledJobSchema = jobSchema('filled')

export type PipelineDocument = z.output<typeof pipelineSchema>
