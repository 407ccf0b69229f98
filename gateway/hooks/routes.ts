import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { MeshError } from '../../protocol/core/errors.ts'
import { DELIVERY_BYTES_MAX } from '../../protocol/core/limits.ts'
import { countFailure, countingFailures, type Limiter } from '../api/auth.ts'
import { problemResponse } from '../api/problem.ts'
import { receptionView } from '../api/reception-view.ts'
import { receptionSchema } from '../api/schemas.ts'
import { type ForgeHook, hookPath } from './forge-hook.ts'
import { FORGE_HOOKS } from './forge-hooks.ts'
import type { Receiver } from './receiver.ts'

export interface HookParts {
  readonly receiver: Pick<Receiver, 'receive'>
  readonly failures: Limiter
  /** Milliseconds within which a delivery is answered. */
  readonly answerMsMax: number
}

/**
 * Rejects with HOOK_SLOW where that takes longer: a forge that has waited in vain shows nothing of
 * why. What is under way goes on, and what it stores is the run of the same delivery sent again.
 */
async function soon<T>(work: Promise<T>, ms: number): Promise<T> {
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new MeshError('HOOK_SLOW', { ms })), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** POST /hooks/FORGE: the forge is known by the path (decision 7). */
export function hookRoutes(plain: FastifyInstance, parts: HookParts): void {
  // The bytes as they came are what was signed: no parser may touch them first. Nothing but JSON:
  // of a form Gitea and Forgejo sign a part only.
  plain.removeAllContentTypeParsers()
  plain.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
  for (const hook of Object.values(FORGE_HOOKS)) hookRoute(plain, hook, parts)
}

function hookRoute(plain: FastifyInstance, hook: ForgeHook, parts: HookParts): void {
  plain.withTypeProvider<ZodTypeProvider>().post(
    hookPath(hook.forge),
    {
      bodyLimit: DELIVERY_BYTES_MAX,
      // Behind a proxy all share one address, and a forge does not send again what got a 429.
      config: { rateLimit: false },
      schema: {
        ...hook.document,
        tags: ['hooks'],
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
      const reception = await countingFailures(parts.failures, request, () => {
        return soon(parts.receiver.receive(hook, request.raw.headers, body), parts.answerMsMax)
      })
      // Without a declared repository there is no secret: anyone may have sent it.
      const tooMany =
        reception.delivery === '' ? await countFailure(parts.failures, request) : undefined
      if (tooMany !== undefined) throw tooMany
      return await reply.code(202).send(receptionView(reception))
    }
  )
}
