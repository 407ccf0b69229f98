import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AUTH_FAILURES_PER_MINUTE_MAX } from '../../../protocol/core/limits.ts'
import { HttpRig, signedPost } from '../../support/http-rig.ts'
import { webhookSecret } from '../../support/standard-webhook.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let rig: HttpRig

beforeEach(async () => {
  rig = await HttpRig.make()
})

afterEach(() => rig.stop())

function get(url: string, headers: Record<string, string> = {}) {
  return rig.app.inject({ method: 'GET', url, headers })
}

test.each([
  '/api/v1/jobs',
  '/api/v1/jobs/x',
  '/api/v1/jobs/x/log',
  '/api/v1/runs',
  '/api/v1/runs/x',
  '/api/v1/agents'
])('%s wants a token before it looks at anything', async (url) => {
  const reply = await get(url)

  expect(reply.statusCode).toBe(401)
  expect(reply.headers['www-authenticate']).toBe('Bearer realm="runner-mesh"')
  expect(reply.json()).toMatchObject({ code: 'TOKEN_INVALID', facts: { problem: 'missing' } })
})

test.each([
  ['another scheme', 'Basic eDp5', 'not well formed'],
  ['no token', 'Bearer ', 'not well formed'],
  ['a token with spaces', 'Bearer a b', 'not well formed'],
  ['a token of any length', `Bearer ${'x'.repeat(5_000)}`, 'not well formed'],
  ['an unknown token', `Bearer rmt_${'x'.repeat(43)}`, 'unknown']
])('%s is refused as invalid', async (_name, authorization, problem) => {
  const reply = await get('/api/v1/jobs', { authorization })

  expect(reply.statusCode).toBe(401)
  expect(reply.headers['www-authenticate']).toContain('error="invalid_token"')
  expect(reply.json().facts).toEqual({ problem })
})

test('a token with scope read reads, until it is revoked', async () => {
  const token = await rig.bearer()
  expect((await get('/api/v1/jobs', token)).statusCode).toBe(200)

  const [record] = await rig.tokens.list()
  await rig.tokens.revoke(record?.id ?? '')

  expect((await get('/api/v1/jobs', token)).statusCode).toBe(401)
})

test('a token without scope read is told which one it lacks', async () => {
  const reply = await get('/api/v1/agents', await rig.bearer(['deploy']))

  expect(reply.statusCode).toBe(403)
  expect(reply.headers['www-authenticate']).toContain('insufficient_scope", scope="read"')
  expect(reply.json()).toMatchObject({ code: 'SCOPE_MISSING', facts: { scope: 'read' } })
})

test('health and the API document need no token, hooks are signed instead', async () => {
  expect((await get('/api/openapi.json')).statusCode).toBe(200)
  expect((await get('/healthz')).statusCode).toBe(503)
  expect((await rig.app.inject(signedPost())).statusCode).toBe(202)
})

test('who guesses is told to wait; who knows is not held up by the others', async () => {
  const token = await rig.bearer()
  const guess = { authorization: 'Bearer rmt_guess' }
  const forged = signedPost(undefined, { secret: webhookSecret() })
  for (let count = 0; count < AUTH_FAILURES_PER_MINUTE_MAX / 2; count += 1) {
    expect((await get('/api/v1/jobs', guess)).statusCode).toBe(401)
    expect((await rig.app.inject(forged)).statusCode).toBe(401)
  }

  const refused = await Promise.all([get('/api/v1/jobs', guess), rig.app.inject(forged)])

  for (const reply of refused) {
    expect(reply.json()).toMatchObject({ status: 429, code: 'RATE_LIMITED' })
    expect(reply.headers['retry-after']).toBeDefined()
  }
  expect((await get('/api/v1/jobs', token)).statusCode).toBe(200)
  expect((await rig.app.inject(signedPost())).statusCode).toBe(202)
})
