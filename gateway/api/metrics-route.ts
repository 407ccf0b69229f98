import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { METRICS_TYPE } from '../../protocol/api/metrics.ts'
import { refusals, secured } from './answer.ts'
import { authorize, countingFailures } from './auth.ts'
import type { ApiRouteParts } from './routes.ts'

/** `/metrics`, where scrapers look for it, with a token of scope `read` as the API. */
export function metricsRoute(plain: FastifyInstance, parts: ApiRouteParts): void {
  const text = {
    description: 'the text format of Prometheus, version 0.0.4; docs/operating.md lists the names',
    // Sent as text: there is no document to check.
    content: { 'text/plain': { schema: z.unknown().meta({ type: 'string' }) } }
  }
  plain.withTypeProvider<ZodTypeProvider>().get(
    '/metrics',
    {
      schema: {
        summary: 'What this gateway counts and measures, for Prometheus',
        tags: ['mesh'],
        security: secured,
        response: { 200: text, ...refusals }
      },
      onRequest: async (request) => {
        await countingFailures(parts.failures, request, () => {
          return authorize(parts.tokens, request.headers.authorization, 'read')
        })
      }
    },
    async (_request, reply) => {
      return await reply
        .type(METRICS_TYPE)
        .header('cache-control', 'no-store')
        .serializer((body: unknown) => String(body))
        .send(await parts.api.metrics.text())
    }
  )
}
