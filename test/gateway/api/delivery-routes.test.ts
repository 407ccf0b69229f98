import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiClient } from '../../support/api-client.ts'
import { eventually } from '../../support/eventually.ts'
import { commitOf, PIPELINE, ScriptedCommits } from '../../support/gateway-rig.ts'
import { HttpRig, pushBody, signedPost } from '../../support/http-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const OF_TAGS = PIPELINE.replace(/^on: .*$/m, 'on: { tag: {} }')

let rig: HttpRig
let api: ApiClient
let commits: ScriptedCommits

beforeEach(async () => {
  commits = new ScriptedCommits(commitOf(PIPELINE))
  rig = await HttpRig.make({ commits })
  api = await ApiClient.of(rig)
})

afterEach(() => rig.stop())

/** A push, once its delivery is in that state; with the id of the delivery's page. */
async function pushed(state: string, change: Parameters<typeof pushBody>[0] = {}) {
  const { delivery, run } = (await rig.app.inject(signedPost(pushBody(change)))).json()
  const { id } = await eventually('it is judged', async () => {
    const { body } = await api.get(`/deliveries?state=${state}&limit=200`)
    return body.deliveries.find((each: { delivery: string }) => each.delivery === delivery)
  })
  return { id, run, delivery }
}

test('deliveries are listed newest first, page by page, and by state and repository', async () => {
  const recorded = await pushed('recorded')
  const site = await pushed('recorded', { repository: 'team/site' })
  const ignored = await pushed('ignored', { ref: 'refs/heads/wip' })
  const ids = async (query: string) => {
    const { body } = await api.get(`/deliveries?${query}`)
    return [body.deliveries.map(({ id }: { id: string }) => id), body.next]
  }

  expect(await ids('')).toEqual([[ignored.id, site.id, recorded.id], null])
  const [first, next] = await ids('limit=2')
  expect(first).toEqual([ignored.id, site.id])
  expect(await ids(`limit=2&cursor=${next}`)).toEqual([[recorded.id], null])
  expect(await ids('state=ignored,errored')).toEqual([[ignored.id], null])
  expect(await ids('repository=team/site')).toEqual([[site.id], null])
  expect(await ids('limit=1&state=recorded')).toEqual([[site.id], expect.any(String)])
  for (const query of ['cursor=x', 'state=lost', 'limit=0', 'name=x']) {
    expect(await api.get(`/deliveries?${query}`)).toMatchObject({ status: 400 })
  }
})

test('a delivery is shown with what it says and what became of it', async () => {
  const after = 'f'.repeat(40)
  const { id, run, delivery } = await pushed('ignored', { ref: 'refs/heads/wip', after })

  const { body } = await api.get(`/deliveries/${id}`)

  expect(body).toMatchObject({ id, run, delivery, repository: 'team/kernel', state: 'ignored' })
  expect(body.reason).toContain('does not select wip')
  expect(body.event).toEqual({
    kind: 'push',
    ref: 'refs/heads/wip',
    commit: after,
    number: null,
    pusher: 'lena'
  })
  for (const unknown of ['x', 'dGVhbS9rZXJuZWwveA', 'ä']) {
    expect(await api.get(`/deliveries/${encodeURIComponent(unknown)}`)).toMatchObject({
      status: 404,
      body: { code: 'DELIVERY_UNKNOWN' }
    })
  }
})

test('a delivery that came to nothing is judged anew, and one that has a run is a duplicate', async () => {
  commits.answers = [commitOf(OF_TAGS)]
  const { id, run, delivery } = await pushed('ignored')
  commits.answers = [commitOf(PIPELINE)]

  const replayed = await api.post(`/deliveries/${id}/replay`)

  expect(replayed).toMatchObject({ status: 202, body: { verdict: 'accepted', run, delivery } })
  await eventually('it is recorded', () => rig.registers.chosen.get(run))
  await eventually('it is done', async () => {
    return (await api.get(`/deliveries/${id}`)).body.state === 'recorded'
  })
  expect(await api.post(`/deliveries/${id}/replay`)).toMatchObject({
    status: 202,
    body: { verdict: 'duplicate', run, reason: 'it is recorded' }
  })
})

test('nothing is replayed that is not kept, nor by a token that may only read', async () => {
  const { id } = await pushed('ignored', { ref: 'refs/heads/wip' })
  const reader = await ApiClient.of(rig, ['read'])

  const unknown = await api.post('/deliveries/dGVhbS9rZXJuZWwveA/replay')
  const forbidden = await reader.post(`/deliveries/${id}/replay`)

  expect(unknown).toMatchObject({ status: 404, body: { code: 'DELIVERY_UNKNOWN' } })
  expect(forbidden).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
})
