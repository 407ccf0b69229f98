import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { idSchema } from '../../protocol/api/job-query.ts'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { described, missing, refusals, secured } from './answer.ts'
import type { ApiParts } from './parts.ts'
import { runIdMeant } from './run-lookup.ts'
import { runDocument } from './run-view.ts'
import { runSchema } from './schemas.ts'

/** Lets a run begin that waits for a person, for whoever has a token of scope `write`. */
export function approvalRoute(plain: FastifyInstance, api: ApiParts): void {
  plain.withTypeProvider<ZodTypeProvider>().post(
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
      await approve(api, id, request.caller)
      return await runDocument(api, id)
    }
  )
}

async function approve(api: ApiParts, id: string, by: string): Promise<void> {
  try {
    await api.approvals.approve(id, by)
  } catch (error) {
    const state = api.board.runStatus(id)
    if (codeOf(error) !== 'RUN_UNKNOWN' || state === undefined) throw error
    // This gateway has no delivery of it, but the mesh has the run.
    const reason = 'another gateway has announced it'
    throw new MeshError('APPROVAL_NOT_WAITED', { id, state, reason }, { cause: error })
  }
}
