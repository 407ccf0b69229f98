import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { findJob } from '../../protocol/api/job-lookup.ts'
import { idSchema } from '../../protocol/api/job-query.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { described, missing, refusals, secured } from './answer.ts'
import { orderHeadersSchema, retrySchema, startSchema } from './order-schemas.ts'
import type { ApiParts } from './parts.ts'
import { problemResponse as problem } from './problem.ts'
import { receptionView } from './reception-view.ts'
import { runIdMeant } from './run-lookup.ts'
import { runDocument } from './run-view.ts'
import { type RunDocument, receptionSchema } from './schemas.ts'

const OPEN: ReadonlySet<RunDocument['state']> = new Set([
  'received',
  'waiting',
  'queued',
  'running'
])

/** Runs that whoever has a token of scope `write` asks for. */
export function orderRoutes(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const accepted = described('the run that it starts, or has started before', receptionSchema)
  const common = { tags: ['runs'], security: secured, headers: orderHeadersSchema }
  const response = { 202: accepted, ...refusals, ...missing, 502: problem }
  app.post(
    '/runs',
    {
      schema: {
        summary: 'Start a run by hand: event `manual` of the pipeline file',
        ...common,
        body: startSchema,
        response
      }
    },
    async (request, reply) => {
      const { repository, ref, commit, inputs, pipeline: text } = request.body
      const { isTrusted } = request
      const pipeline = text === undefined ? undefined : { text, isTrusted }
      const orderer = { by: request.caller, key: request.headers['idempotency-key'] }
      const reception = await api.orders.start({
        ...{ repository, ref, commit, inputs, pipeline },
        ...orderer
      })
      return await reply.code(202).send(receptionView(reception))
    }
  )
  app.post(
    '/runs/:id/retry',
    {
      schema: {
        summary: 'Run an ended run anew, or what of it failed, as a run of its own',
        ...common,
        params: idSchema,
        body: retrySchema,
        response
      }
    },
    async (request, reply) => {
      const id = runIdMeant(api, request.params.id)
      await refuseOpen(api, id)
      const jobs = request.body?.jobs === 'failed' ? failedOf(api, id) : undefined
      const orderer = { by: request.caller, key: request.headers['idempotency-key'] }
      const reception = await api.orders.retry(id, { ...orderer, jobs })
      return await reply.code(202).send(receptionView(reception))
    }
  )
  app.post(
    '/jobs/:id/retry',
    {
      schema: {
        summary: 'Run one job of an ended run anew, with what it needs, as a run of its own',
        ...common,
        params: idSchema,
        response
      }
    },
    async (request, reply) => {
      const { jobId, spec } = findJob(api.board, request.params.id)
      const id = runIdOf(jobId)
      await refuseOpen(api, id)
      const orderer = { by: request.caller, key: request.headers['idempotency-key'] }
      const reception = await api.orders.retry(id, { ...orderer, jobs: [spec.name] })
      return await reply.code(202).send(receptionView(reception))
    }
  )
}

async function refuseOpen(api: ApiParts, id: string): Promise<void> {
  const { state } = await runDocument(api, id)
  if (OPEN.has(state)) throw new MeshError('RUN_NOT_ENDED', { id, state })
}

/** Names of all that did not succeed, skipped ones too. Throws REQUEST_INVALID for none. */
function failedOf(api: ApiParts, id: string): readonly string[] {
  const failed = api.board.jobsOf(id).filter(({ state }) => state?.phase !== 'succeeded')
  if (failed.length > 0) return failed.map(({ spec }) => spec.name)
  throw new MeshError('REQUEST_INVALID', { problem: `all jobs of run ${id} have succeeded` })
}
