import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { MeshError } from '../../protocol/core/errors.ts'
import { DELIVERY_BYTES_MAX } from '../../protocol/core/limits.ts'
import { countFailure, type Limiter, refusedAuth } from '../api/auth.ts'
import { problemResponse } from '../api/problem.ts'
import { receptionSchema } from '../api/schemas.ts'
import { gitPushSchema } from './git-push.ts'
import type { Receiver, Reception } from './receiver.ts'
import { webhookHeadersSchema } from './standard-webhook.ts'

export interface HookParts {
  readonly receiver: Pick<Receiver, 'receive'>
  readonly failures: Limiter
}

/** POST /hooks/git: the forge is known by the path (decision 7). */
export function hookRoutes(plain: FastifyInstance, parts: HookParts): void {
  // The bytes as they came are what was signed: no parser may touch them first.
  plain.removeAllContentTypeParsers()
  plain.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
  plain.withTypeProvider<ZodTypeProvider>().post(
    '/hooks/git',
    {
      bodyLimit: DELIVERY_BYTES_MAX,
      // Behind a proxy all share one address, and a forge does not send again what got a 429.
      config: { rateLimit: false },
      schema: {
        summary: 'One ref of one push to a bare Git repository',
        description:
          'Signed as Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature) with ' +
          'the secret of the repository that the body names.',
        tags: ['hooks'],
        headers: webhookHeadersSchema,
        body: gitPushSchema,
        response: {
          202: receptionSchema,
          ...Object.fromEntries(
            [400, 401, 413, 415, 429, 500, 503].map((status) => [status, problemResponse])
          )
        }
      },
      // The schema documents; the body is checked after its bytes have been kept for the signature.
      validatorCompiler: () => (value) => ({ value })
    },
    async (request, reply) => {
      const body: unknown = request.body
      if (!Buffer.isBuffer(body)) throw new MeshError('BODY_INVALID', { problem: 'it is empty' })
      const headers = {
        id: single(request.headers['webhook-id']),
        timestamp: single(request.headers['webhook-timestamp']),
        signature: single(request.headers['webhook-signature'])
      }
      try {
        const reception = await parts.receiver.receive(headers, body)
        // Without a declared repository there is no secret: anyone may have sent it.
        const tooMany =
          reception.delivery === '' ? await countFailure(parts.failures, request) : undefined
        if (tooMany !== undefined) throw tooMany
        return await reply.code(202).send(receptionView(reception))
      } catch (error) {
        if (!(error instanceof MeshError) || error.kind.status !== 401) throw error
        throw await refusedAuth(parts.failures, request, error)
      }
    }
  )
}

function receptionView({ verdict, delivery, run, reason }: Reception) {
  return {
    verdict,
    delivery: delivery === '' ? null : delivery,
    run: run === '' ? null : run,
    reason
  }
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header
}
