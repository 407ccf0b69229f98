import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Inbox } from '../../../gateway/ports.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { DELIVERY_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { eventually } from '../../support/eventually.ts'
import { declaredRepositories } from '../../support/gateway-rig.ts'
import { HttpRig, pushBody, signedPost } from '../../support/http-rig.ts'
import { webhookSecret } from '../../support/standard-webhook.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let rig: HttpRig

beforeEach(async () => {
  rig = await HttpRig.make({ repositories: declaredRepositories(['main', 'release/*']) })
})

afterEach(() => rig.stop())

/** The same, whose writes wait for that. */
function delayed(inbox: Inbox, until: () => Promise<void>): Inbox {
  const put: Inbox['put'] = async (delivery) => {
    await until()
    return await inbox.put(delivery)
  }
  return new Proxy(inbox, {
    get: (_, name) => {
      if (name === 'put') return put
      const found: unknown = Reflect.get(inbox, name, inbox)
      return typeof found === 'function' ? found.bind(inbox) : found
    }
  })
}

async function storedCount(): Promise<number> {
  return (await rig.store.inbox.list(100, undefined)).deliveries.length
}

test('a delivery that is not on disk in time is answered 503, and is one run when sent again', async () => {
  await rig.stop()
  const disk = Promise.withResolvers<void>()
  let isSlow = true
  rig = await HttpRig.make({
    answerMsMax: 300,
    inbox: (inbox) => delayed(inbox, async () => (isSlow ? await disk.promise : undefined))
  })
  const post = signedPost()

  const late = await rig.app.inject(post)

  expect(late.statusCode).toBe(503)
  expect(late.headers['retry-after']).toMatch(/^\d+$/)
  expect(late.json()).toMatchObject({ code: 'HOOK_SLOW', facts: { ms: 300 } })
  expect(await storedCount()).toBe(0)
  isSlow = false
  disk.resolve()
  await eventually('it is on disk', async () => (await storedCount()) === 1)
  const again = (await rig.app.inject(post)).json()
  expect(again.verdict).toBe('duplicate')
  await eventually('it is a run', () => rig.registers.chosen.get(again.run))
})

test('an answer does not come before the delivery is on disk, however late that is in its time', async () => {
  await rig.stop()
  const disk = Promise.withResolvers<void>()
  rig = await HttpRig.make({
    answerMsMax: 25_000,
    inbox: (inbox) => delayed(inbox, () => disk.promise)
  })
  let isAnswered = false
  const reply = rig.app.inject(signedPost()).finally(() => {
    isAnswered = true
  })
  await rig.app.inject({ method: 'GET', url: '/healthz' })
  expect(isAnswered).toBe(false)

  disk.resolve()

  expect((await reply).statusCode).toBe(202)
  expect(await storedCount()).toBe(1)
})

describe('POST /hooks/git takes', () => {
  test('a signed push: it is stored before the 202 names its run', async () => {
    const reply = await rig.app.inject(signedPost(pushBody(), { id: 'first' }))

    expect(reply.statusCode).toBe(202)
    const { verdict, delivery, run } = reply.json()
    expect({ verdict, delivery }).toEqual({ verdict: 'accepted', delivery: 'first' })
    expect((await rig.store.inbox.get('team/kernel/first'))?.runId).toBe(run)
    await eventually('the run is recorded', () => rig.registers.chosen.get(run))
  })

  test('a repeated delivery once, and names the first run', async () => {
    const post = signedPost()
    const first = (await rig.app.inject(post)).json()

    const again = await rig.app.inject(post)

    expect(again.statusCode).toBe(202)
    expect(again.json()).toMatchObject({ verdict: 'duplicate', run: first.run })
    expect(await storedCount()).toBe(1)
  })

  test('the same push under another id as the same run', async () => {
    const body = pushBody()
    const first = (await rig.app.inject(signedPost(body, { id: 'one' }))).json()

    const again = (await rig.app.inject(signedPost(body, { id: 'two' }))).json()

    expect(again).toEqual({
      verdict: 'duplicate',
      delivery: 'two',
      run: first.run,
      reason: 'first received as delivery one'
    })
    expect(await storedCount()).toBe(1)
  })

  test('one id with two meanings as the first of them: an id is never two deliveries', async () => {
    const first = (await rig.app.inject(signedPost(pushBody(), { id: 'same' }))).json()

    const other = (await rig.app.inject(signedPost(pushBody(), { id: 'same' }))).json()

    expect(other).toMatchObject({ verdict: 'duplicate', run: first.run })
  })

  test('twenty copies at once as one run, stored once', async () => {
    const body = pushBody()
    const posts = Array.from({ length: 20 }, (_, index) =>
      signedPost(body, { id: index % 2 === 0 ? 'even' : `odd-${index}` })
    )

    const replies = await Promise.all(posts.map((post) => rig.app.inject(post)))

    const answers = replies.map((reply) => reply.json())
    expect(new Set(answers.map(({ run }) => run)).size).toBe(1)
    expect(answers.filter(({ verdict }) => verdict === 'accepted')).toHaveLength(1)
    expect(await storedCount()).toBe(1)
  })
})

describe('POST /hooks/git ignores, and stores nothing of', () => {
  test.each([
    ['a branch that is not selected', { ref: 'refs/heads/dev' }, 'branch dev is not selected'],
    ['a note', { ref: 'refs/notes/v1' }, 'refs/notes/v1 is neither a branch nor a tag'],
    ['a deleted tag', { ref: 'refs/tags/v1', after: '0'.repeat(40) }, 'tag v1 was deleted'],
    ['a deleted branch', { after: '0'.repeat(40) }, 'branch main was deleted']
  ])('%s', async (_name, change, reason) => {
    const reply = await rig.app.inject(signedPost(pushBody(change), { id: 'x' }))

    expect(reply.statusCode).toBe(202)
    expect(reply.json()).toMatchObject({ verdict: 'ignored', delivery: 'x', run: null })
    expect(reply.json().reason).toContain(reason)
    expect(await storedCount()).toBe(0)
  })

  test('an unknown repository, whoever signed it', async () => {
    const body = pushBody({ repository: 'team/unknown' })

    const reply = await rig.app.inject(signedPost(body, { secret: webhookSecret() }))

    expect(reply.statusCode).toBe(202)
    expect(reply.json()).toEqual({
      verdict: 'ignored',
      delivery: null,
      run: null,
      reason: 'repository team/unknown is not declared in gateway.yaml with forge: git'
    })
    expect(await storedCount()).toBe(0)
  })
})

const seconds = Math.floor(Date.now() / 1000)

test.each([
  ['a wrong signature', { secret: webhookSecret() }, 'SIGNATURE_MISMATCH'],
  ['a timestamp ten minutes old', { seconds: seconds - 600 }, 'TIMESTAMP_OFF'],
  ['a timestamp ten minutes ahead', { seconds: seconds + 600 }, 'TIMESTAMP_OFF']
])('%s with 401, and stores nothing', async (_name, parts, code) => {
  const reply = await rig.app.inject(signedPost(pushBody(), parts))

  expect(reply.statusCode).toBe(401)
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(reply.headers['www-authenticate']).toMatch(/^StandardWebhooks/)
  expect(reply.json()).toMatchObject({ status: 401, code, title: 'Unauthorized' })
  expect(await storedCount()).toBe(0)
})

test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])(
  'a delivery without %s with 401',
  async (header) => {
    const post = signedPost()
    const headers = Object.fromEntries(
      Object.entries(post.headers).filter(([name]) => name !== header)
    )

    const missing = await rig.app.inject({ ...post, headers })
    const empty = await rig.app.inject({ ...post, headers: { ...post.headers, [header]: '' } })

    expect([missing.statusCode, empty.statusCode]).toEqual([401, 401])
    expect(missing.json().detail).toMatch(/signature is missing/)
    expect(await storedCount()).toBe(0)
  }
)

test("another repository's delivery with 401: each has its own secret", async () => {
  const post = signedPost(pushBody({ repository: 'team/site' }))
  const moved = { ...post, payload: post.payload.toString().replace('team/site', 'team/kernel') }

  expect((await rig.app.inject(moved)).statusCode).toBe(401)
})

test.each([
  ['what is not JSON', 'not json', 400, 'BODY_INVALID'],
  ['an empty body', '', 400, 'BODY_INVALID'],
  ['JSON of another shape', '{"ref":1}', 400, 'BODY_INVALID'],
  ['one byte too many', ' '.repeat(DELIVERY_BYTES_MAX + 1), 413, 'BODY_TOO_LARGE']
])('%s', async (_name, payload, status, code) => {
  const reply = await rig.app.inject(signedPost(payload))

  expect(reply.statusCode).toBe(status)
  expect(reply.json()).toMatchObject({ status, code, type: `urn:runner-mesh:error:${code}` })
  expect(await storedCount()).toBe(0)
})

test('POST /hooks/git refuses a body of exactly the limit only for what is in it', async () => {
  const reply = await rig.app.inject(signedPost(' '.repeat(DELIVERY_BYTES_MAX)))

  expect(reply.json().code).toBe('BODY_INVALID')
})

test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', ''])(
  'content type %j with 415',
  async (type) => {
    const post = signedPost()

    const reply = await rig.app.inject({
      ...post,
      headers: { ...post.headers, 'content-type': type }
    })

    expect(reply.statusCode).toBe(415)
    expect(reply.json().code).toBe('MEDIA_TYPE_UNSUPPORTED')
  }
)

test('POST /hooks/git refuses another method, by saying that there is no such route', async () => {
  const reply = await rig.app.inject({ method: 'GET', url: '/hooks/git' })

  expect(reply.json()).toMatchObject({ status: 404, code: 'ROUTE_UNKNOWN' })
})

describe('a gateway that cannot take more', () => {
  test('answers 503 with Retry-After and stores nothing, but still knows what it has', async () => {
    await rig.stop()
    rig = await HttpRig.make({ queueMax: 1 })
    rig.registers.epoch = undefined
    const first = signedPost()
    expect((await rig.app.inject(first)).json().verdict).toBe('accepted')

    const reply = await rig.app.inject(signedPost())

    expect(reply.statusCode).toBe(503)
    expect(reply.headers['retry-after']).toMatch(/^\d+$/)
    expect(reply.json().code).toBe('OVERLOADED')
    expect(await storedCount()).toBe(1)
    expect((await rig.app.inject(first)).json().verdict).toBe('duplicate')
  })

  test('answers 503 while its disk is nearly full, keeps nothing, and still knows what it has', async () => {
    await rig.stop()
    const facts = { state: '/var/lib/secret', free: '1 GB', total: '99 GB', percent: 5, again: 7 }
    let problem: MeshError | undefined
    rig = await HttpRig.make({ diskProblem: () => problem })
    const first = signedPost()
    expect((await rig.app.inject(first)).statusCode).toBe(202)
    problem = new MeshError('DISK_LOW', facts)

    const reply = await rig.app.inject(signedPost(pushBody({ after: 'b'.repeat(40) })))

    expect(reply.statusCode).toBe(503)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(reply.headers['retry-after']).toBeDefined()
    expect(reply.json()).toMatchObject({ code: 'DISK_LOW' })
    expect(reply.body).not.toContain('/var/lib')
    expect(await storedCount()).toBe(1)
    expect((await rig.app.inject(first)).json().verdict).toBe('duplicate')
  })

  test('answers 503 once its store has failed, without a word about its files', async () => {
    await rig.stop()
    const facts = { dir: '/var/lib/secret', action: 'write', cause: 'EIO' }
    rig = await HttpRig.make({
      inbox: (inbox) => ({
        ...inbox,
        get: () => Promise.resolve(undefined),
        byRun: () => Promise.resolve(undefined),
        undone: () => Promise.resolve([]),
        put: () => Promise.reject(new MeshError('STORE_FAILED', facts))
      })
    })

    const reply = await rig.app.inject(signedPost())

    expect(reply.statusCode).toBe(503)
    expect(reply.headers['retry-after']).toBeDefined()
    expect(reply.json()).toMatchObject({ code: 'STORE_FAILED', facts: {} })
    expect(reply.body).not.toContain('/var/lib')
    expect(rig.intake.queued).toBe(0)
  })

  test('that is stopping sends senders away before it looks at anything', async () => {
    await rig.stop()
    rig = await HttpRig.make({ api: { stopping: () => true } })

    const reply = await rig.app.inject(signedPost())

    expect(reply.json()).toMatchObject({ status: 503, code: 'STOPPING' })
  })
})
