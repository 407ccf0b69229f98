import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { idSchema } from '../../protocol/api/job-query.ts'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { described, missing, refusals, secured } from './answer.ts'
import type { ApiParts } from './parts.ts'
import { runIdMeant } from './run-lookup.ts'
import { runDocument } from './run-view.ts'
import { rejectSchema, runSchema } from './schemas.ts'

/** What becomes of a run that waits for a person, for whoever has a token of scope `write`. */
export function approvalRoute(plain: FastifyInstance, api: ApiParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.post(
    '/runs/:id/approve',
    {
      schema: {
        summary: 'Approve a run that waits: of this head alone, a later push waits again',
        tags: ['runs'],
        security: secured,
        params: idSchema,
        response: { 200: described('the run', runSchema), ...refusals, ...missing }
      }
    },
    async (request) => {
      const id = runIdMeant(api, request.params.id)
      await decide(api, id, () => api.approvals.approve(id, request.caller))
      return await runDocument(api, id)
    }
  )
  app.post(
    '/runs/:id/reject',
    {
      schema: {
        summary: 'End a run that waits, before it has begun: of this head, a later push waits anew',
        tags: ['runs'],
        security: secured,
        params: idSchema,
        body: rejectSchema.nullish(),
        response: { 200: described('the run', runSchema), ...refusals, ...missing }
      }
    },
    async (request) => {
      const id = runIdMeant(api, request.params.id)
      const reason = request.body?.reason ?? ''
      await decide(api, id, () => api.approvals.reject(id, request.caller, reason))
      return await runDocument(api, id)
    }
  )
}

async function decide(api: ApiParts, id: string, decision: () => Promise<void>): Promise<void> {
  try {
    await decision()
  } catch (error) {
    const state = api.board.runStatus(id)
    if (codeOf(error) !== 'RUN_UNKNOWN' || state === undefined) throw error
    // This gateway has no delivery of it, but the mesh has the run.
    const reason = 'another gateway has announced it'
    throw new MeshError('APPROVAL_NOT_WAITED', { id, state, reason }, { cause: error })
  }
}
