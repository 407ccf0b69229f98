import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { signedHeadersOf, WebhookSecret } from '../../../gateway/hooks/standard-webhook.ts'
import { callbackSchema, postCallback } from '../../../gateway/status/callback.ts'
import type { Told } from '../../../gateway/status/told.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { VECTOR } from '../../support/standard-webhook.ts'

const TOLD: Told = {
  repository: 'team/kernel',
  channel: 'callback',
  runId: 'RUN1',
  jobIndex: 0,
  commit: 'a'.repeat(40),
  ref: 'refs/heads/main',
  event: 'push',
  context: 'runner-mesh/build',
  name: 'build',
  state: 'running',
  isFinal: false,
  description: 'runner lost, attempt 2 of 3',
  targetUrl: undefined,
  issuedAtMs: 1_000,
  version: 4
}

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function receiver(status = 204, headers: Record<string, string> = {}) {
  const got: Got[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      got.push({ headers: request.headers, body })
      response.writeHead(status, headers)
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/runs` }
}

function post(url: string, told = TOLD): Promise<void> {
  const secret = new WebhookSecret(VECTOR.secret)
  return postCallback({ url, secret }, told, systemClock(), new AbortController().signal)
}

async function codeFrom(promise: Promise<unknown>): Promise<string | undefined> {
  return await promise.then(
    () => undefined,
    (error: unknown) => codeOf(error)
  )
}

test("a callback is signed with the repository's secret, under an id that every try has", async () => {
  const { got, url } = await receiver()

  await post(url)
  await post(url)
  await post(url, { ...TOLD, jobIndex: undefined, version: 5 })

  const secret = new WebhookSecret(VECTOR.secret)
  const ids = got.map(({ headers, body }) => {
    return secret.verify(signedHeadersOf(headers), body, Date.now(), 'team/kernel')
  })
  expect(ids).toEqual(['RUN1-0-1000-4', 'RUN1-0-1000-4', 'RUN1-run-1000-5'])
  const bodies = got.map(({ body }) => callbackSchema.parse(JSON.parse(body)))
  expect(bodies.map(({ type }) => type)).toEqual(['job.updated', 'job.updated', 'run.updated'])
  expect(bodies[0]?.data).toEqual({
    repository: 'team/kernel',
    run: { id: 'RUN1', event: 'push', ref: 'refs/heads/main', commit: 'a'.repeat(40) },
    job: { id: 'RUN1.0', name: 'build' },
    state: 'running',
    final: false,
    description: 'runner lost, attempt 2 of 3',
    url: null,
    version: 4
  })
})

test.each([
  [404, 'FORGE_REFUSED'],
  [302, 'FORGE_REFUSED'],
  [429, 'FORGE_LIMITED'],
  [500, 'FORGE_UNREACHABLE']
])('an answer of %i is %s', async (status, code) => {
  const { url, got } = await receiver(status, { location: 'http://127.0.0.1:9/' })

  expect(await codeFrom(post(url))).toBe(code)
  expect(got).toHaveLength(1)
})

test('nobody there is something to try again', async () => {
  expect(await codeFrom(post('http://127.0.0.1:9/runs'))).toBe('FORGE_UNREACHABLE')
})
