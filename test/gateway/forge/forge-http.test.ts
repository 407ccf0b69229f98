import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { ForgeHttp } from '../../../gateway/forge/forge-http.ts'
import { limitedMsOf } from '../../../gateway/forge/forge-refusal.ts'
import { TaggedAnswers } from '../../../gateway/forge/tagged-answers.ts'
import type { ForgeResult } from '../../../gateway/metrics/event-metrics.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { FORGE_BODY_BYTES_MAX } from '../../../protocol/core/forge-limits.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'

const TOKEN = 'a-token-that-nobody-else-may-see'

async function serverOf(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function httpTo(
  base: string,
  requestMs?: number,
  onResult?: (result: ForgeResult) => void
): ForgeHttp {
  const authorize = () => Promise.resolve({ authorization: `token ${TOKEN}` })
  const parts = { authorize, clock: systemClock(), tagged: new TaggedAnswers(), onResult }
  return new ForgeHttp(parts, { base, requestMs })
}

function ask(http: ForgeHttp, path = '/things'): Promise<unknown> {
  return http.read(z.unknown(), { path, action: 'show things', signal: noEnd() })
}

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error
  )
}

test('a redirect to another host is not followed, and the token never goes there', async () => {
  const seen: unknown[] = []
  const other = await serverOf((request, response) => {
    seen.push(request.headers)
    response.end('{}')
  })
  const base = await serverOf((_request, response) => {
    response.writeHead(302, { location: `${other}/things` })
    response.end()
  })

  const error = await rejectionOf(ask(httpTo(base)))

  expect(codeOf(error)).toBe('FORGE_REFUSED')
  expect(String(error)).toContain(new URL(other).host)
  expect(seen).toEqual([])
})

test('a repository that was renamed is followed to its new place on the same host', async () => {
  const base = await serverOf((request, response) => {
    if (request.url === '/things') response.writeHead(301, { location: '/repositories/7' })
    response.end('{"id":7}')
  })

  expect(await ask(httpTo(base))).toEqual({ id: 7 })
})

test('redirects that go round end', async () => {
  const base = await serverOf((_request, response) => {
    response.writeHead(302, { location: '/things' })
    response.end()
  })

  expect(codeOf(await rejectionOf(ask(httpTo(base))))).toBe('FORGE_REFUSED')
})

test('an answer without end is not read to the end', async () => {
  let sent = 0
  const base = await serverOf((_request, response) => {
    const part = Buffer.alloc(65_536, 0x20)
    const more = (): void => {
      while (!response.destroyed && response.write(part)) sent += part.length
    }
    response.on('drain', more)
    more()
  })

  const error = await rejectionOf(ask(httpTo(base)))

  expect(codeOf(error)).toBe('FORGE_UNREACHABLE')
  expect(sent).toBeLessThan(FORGE_BODY_BYTES_MAX * 4)
})

test('a forge that hangs, is cut off, fails or talks nonsense can be asked again', async () => {
  const { forge, api } = await forgeRig('gitea', { requestMs: 200 })
  const faults = [
    'hang',
    'cut',
    { status: 503 },
    { status: 502, body: '<html>' },
    { status: 200, body: '<html>login</html>' },
    { status: 200, body: '{"id":"seven"}' }
  ] as const

  for (const kind of faults) {
    forge.fault({ kind, times: 1 })
    expect(codeOf(await rejectionOf(api.repositoryId(noEnd()))), `${kind}`).toBe(
      'FORGE_UNREACHABLE'
    )
  }
  expect(await api.repositoryId(noEnd())).toMatch(/^\d+$/)
  await forge.stop()
  expect(codeOf(await rejectionOf(api.repositoryId(noEnd())))).toBe('FORGE_UNREACHABLE')
})

test('a limit says for how long it holds, whichever header the forge says it with', async () => {
  const { forge, api } = await forgeRig('github')
  const inAMinute = String(Math.ceil(Date.now() / 1000) + 60)
  const date = new Date(Date.now() + 60_000).toUTCString()
  const limits = [
    { status: 429, headers: { 'retry-after': '60' } },
    { status: 429, headers: { 'retry-after': date } },
    { status: 403, headers: { 'retry-after': '60' } },
    { status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inAMinute } },
    { status: 429, headers: { 'ratelimit-remaining': '0', 'ratelimit-reset': inAMinute } },
    { status: 429 },
    { status: 503, headers: { 'retry-after': '60' } }
  ]

  for (const kind of limits) {
    forge.fault({ kind, times: 1 })
    const waitMs = limitedMsOf(await rejectionOf(api.repositoryId(noEnd())))
    expect(waitMs, JSON.stringify(kind)).toBeGreaterThan(55_000)
    expect(waitMs, JSON.stringify(kind)).toBeLessThanOrEqual(62_000)
  }
})

test('no forge can make the gateway wait for days', async () => {
  const { forge, api } = await forgeRig('github')
  forge.fault({ kind: { status: 429, headers: { 'retry-after': '999999999' } } })

  expect(limitedMsOf(await rejectionOf(api.repositoryId(noEnd())))).toBe(3_900_000)
})

test('a refusal that shows the request keeps the token out of the error', async () => {
  const base = await serverOf((request, response) => {
    response.writeHead(400)
    response.end(JSON.stringify({ message: `bad header ${request.headers.authorization}` }))
  })

  const error = await rejectionOf(ask(httpTo(base)))

  expect(codeOf(error)).toBe('FORGE_REFUSED')
  expect(JSON.stringify([error, String(error)])).not.toContain(TOKEN)
})

test('what has not changed is not sent again, and is not shown to another token', async () => {
  const { forge, api, apis, store, holder } = await forgeRig('github')
  const first = await api.repositoryId(noEnd())

  expect(await api.repositoryId(noEnd())).toBe(first)
  expect(forge.seen.map(({ status }) => status)).toEqual([200, 304])
  const other = forge.world.token('other')
  await store.set({ name: 'other', kind: 'token' }, Buffer.from(other), Date.now())
  await apis.of({ ...holder, credential: 'other' })?.repositoryId(noEnd())
  expect(forge.seen.at(-1)?.status).toBe(200)
})

test('whoever ends the call ends the request', async () => {
  const { forge, api } = await forgeRig('gitea')
  forge.fault({ kind: 'hang' })
  const stop = new AbortController()

  const asked = rejectionOf(api.repositoryId(stop.signal))
  stop.abort(new Error('the gateway stops'))

  expect(String(await asked)).toContain('the gateway stops')
})

test('each request is told with what came of it, those that were called off are not', async () => {
  const answers = [
    { status: 200 },
    { status: 404 },
    { status: 429, headers: { 'retry-after': '60' } },
    { status: 500 }
  ]
  const base = await serverOf((_request, response) => {
    const { status, headers = {} } = answers.shift() ?? { status: 200 }
    response.writeHead(status, headers)
    response.end('{}')
  })
  const results: ForgeResult[] = []
  const http = httpTo(base, undefined, (result) => results.push(result))
  const wanted = answers.length

  for (let index = 0; index < wanted; index += 1) await rejectionOf(ask(http))
  const off = AbortSignal.abort(new Error('the gateway stops'))
  await rejectionOf(http.call({ path: '/things', action: 'show things', signal: off }))

  expect(results).toEqual(['answered', 'refused', 'limited', 'unreachable'])
})
