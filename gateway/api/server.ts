import type { Socket } from 'node:net'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type RawServerDefault
} from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { MeshError } from '../../protocol/core/errors.ts'
import {
  AUTH_FAILURES_PER_MINUTE_MAX,
  DELIVERY_BYTES_MAX,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_IDLE_MS_MAX,
  HTTP_REQUEST_MS_MAX,
  HTTP_REQUESTS_PER_MINUTE_MAX
} from '../../protocol/core/limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import { hookRoutes } from '../hooks/routes.ts'
import type { Receiver } from '../hooks/receiver.ts'
import { FailureLimit } from './auth.ts'
import { openApi } from './open-api.ts'
import type { ApiParts } from './parts.ts'
import { asHttpError, headersOf, PROBLEM_TYPE, problemOf } from './problem.ts'
import { apiRoutes } from './routes.ts'
import type { TokenStore } from './token-store.ts'

export interface ServerParts {
  readonly api: ApiParts
  readonly receiver: Pick<Receiver, 'receive'>
  readonly tokens: TokenStore
  readonly log: Log
}

export interface ServerOptions {
  /** Milliseconds within which a request must have arrived; the limit's value when absent. */
  readonly requestMsMax?: number | undefined
}

export type App = FastifyInstance<
  RawServerDefault,
  RawServerDefault extends infer _ ? import('node:http').IncomingMessage : never,
  import('node:http').ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>
