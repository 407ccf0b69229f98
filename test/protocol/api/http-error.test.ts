import { fastify } from 'fastify'
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider
} from 'fastify-type-provider-zod'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { asHttpError, routeUnknown } from '../../../protocol/api/http-error.ts'
import { MeshError } from '../../../protocol/core/errors.ts'

const NO_REQUEST = { contentType: undefined, bodyBytesMax: 0 }
const BODY_BYTES_MAX = 64

/** What a server of ours makes of one request. */
async function errorOf(options: {
  readonly url?: string
  readonly payload?: string
  readonly type?: string
}): Promise<MeshError | undefined> {
  let seen: MeshError | undefined
  const app = fastify({ logger: false, bodyLimit: BODY_BYTES_MAX })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, request, reply) => {
    const contentType = request.headers['content-type']
    seen = asHttpError(error, { contentType, bodyBytesMax: BODY_BYTES_MAX })
    return reply.code(seen.kind.status).send()
  })
  const body = z.strictObject({ name: z.string(), at: z.strictObject({ step: z.number() }) })
  const querystring = z.strictObject({ limit: z.coerce.number().max(5).default(1) })
  const answer = z.strictObject({ ok: z.literal(true) })
  app
    .withTypeProvider<ZodTypeProvider>()
    .post('/', { schema: { body, querystring, response: { 200: answer } } }, (request) => {
      if (request.body.name === 'liar') return { ok: false } as unknown as { ok: true }
      return { ok: true as const }
    })
  const { url = '/', payload = '{}', type = 'application/json' } = options
  await app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } })
  await app.close()
  return seen
}

const good = JSON.stringify({ name: 'x', at: { step: 1 } })

test('a request that keeps its schema is no error', async () => {
  expect(await errorOf({ payload: good })).toBeUndefined()
})

test.each([
  [{ payload: '{"name":1,"at":{"step":1}}' }, /^body name: .*expected string/],
  [{ payload: '{"name":"x","at":{"step":"1"}}' }, /^body at\.step: /],
  [{ payload: good, url: '/?limit=6' }, /^querystring limit: /],
  [{ payload: good, url: '/?nonsense=1' }, /^querystring: .*nonsense/],
  [{ payload: '{"name":' }, /^the request is not well formed$/]
])('%j is refused with the place of the mistake', async (options, message) => {
  const error = await errorOf(options)

  expect(error).toMatchObject({ code: 'REQUEST_INVALID', kind: { status: 400 } })
  expect(error?.message).toMatch(message)
})

test('a body too large names the limit of its own server', async () => {
  const error = await errorOf({ payload: JSON.stringify('x'.repeat(BODY_BYTES_MAX)) })

  expect(error).toMatchObject({ code: 'BODY_TOO_LARGE', facts: { max: BODY_BYTES_MAX } })
})

test('a body of another kind names what came', async () => {
  const error = await errorOf({ payload: '<x/>', type: 'text/xml' })

  expect(error).toMatchObject({ code: 'MEDIA_TYPE_UNSUPPORTED', facts: { found: 'text/xml' } })
})

test('an answer that breaks its own schema is our bug, no mistake of the client', async () => {
  const payload = JSON.stringify({ name: 'liar', at: { step: 1 } })

  expect(await errorOf({ payload })).toMatchObject({ code: 'BUG', kind: { status: 500 } })
})

test.each([
  [new TypeError('x is undefined'), 'x is undefined'],
  ['thrown text', 'thrown text']
])('what nobody expected is a bug that keeps its cause: %s', (thrown, problem) => {
  const error = asHttpError(thrown, NO_REQUEST)

  expect(error).toMatchObject({ code: 'BUG', facts: { problem }, cause: thrown })
})

test('an error of ours stays itself', () => {
  const error = new MeshError('JOB_UNKNOWN', { id: 'x' })

  expect(asHttpError(error, NO_REQUEST)).toBe(error)
})

test('a client that goes away in the middle is its own doing', () => {
  const error = Object.assign(new Error('aborted'), { code: 'ECONNRESET' })

  expect(asHttpError(error, NO_REQUEST).code).toBe('REQUEST_INVALID')
})

test('an unknown route is named without its query', () => {
  expect(routeUnknown({ method: 'GET', url: '/nothing?token=secret' }).facts).toEqual({
    method: 'GET',
    path: '/nothing'
  })
})
