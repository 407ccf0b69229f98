import { afterEach, beforeEach, expect, test } from 'vitest'
import type { OrderAgent } from '../../../gateway/agent-orders.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { ApiClient } from '../../support/api-client.ts'
import { ROSTER } from '../../support/control-parts.ts'
import { HttpRig } from '../../support/http-rig.ts'

let rig: HttpRig
let api: ApiClient
let orderAgent: OrderAgent
let orders: string[] = []

beforeEach(async () => {
  orders = []
  orderAgent = (agent, order, by) => {
    orders.push(`${agent.peerId} ${order} ${by}`)
    return Promise.resolve('draining')
  }
  const told: OrderAgent = (...given) => orderAgent(...given)
  rig = await HttpRig.make({ api: { roster: () => ROSTER, orderAgent: told } })
  api = await ApiClient.of(rig)
})

afterEach(() => rig.stop())

test.each(['pause', 'drain', 'resume'])(
  'an agent is told to %s in the name of the token',
  async (order) => {
    const answer = await api.post(`/agents/onyx/${order}`)

    expect(answer).toEqual({
      status: 200,
      body: { name: 'onyx', peerId: 'peer-onyx', state: 'draining' }
    })
    expect(orders).toEqual([
      expect.stringMatching(`^peer-onyx ${order} test \\(token [0-9a-f]{8}\\)$`)
    ])
  }
)

test('an agent that refuses, is away or is none is answered as such', async () => {
  orderAgent = ({ name: agent }, order) =>
    Promise.reject(new MeshError('ORDER_REFUSED', { agent, order, reason: 'owner' }))
  const refused = await api.post('/agents/onyx/drain')
  orderAgent = ({ peerId: peer }) =>
    Promise.reject(new MeshError('PEER_UNREACHABLE', { peer, cause: 'no link' }))
  const away = await api.post('/agents/onyx/drain')
  const nobody = await api.post('/agents/slate/drain')

  expect(refused).toMatchObject({ status: 403, body: { code: 'ORDER_REFUSED' } })
  expect(refused.body.detail).toContain('`orders: refuse`')
  expect(away).toMatchObject({ status: 503, body: { code: 'PEER_UNREACHABLE' } })
  expect(nobody).toMatchObject({ status: 404, body: { code: 'AGENT_UNKNOWN' } })
})

test('a token that may only read orders nothing', async () => {
  const reader = await ApiClient.of(rig, ['read'])

  expect(await reader.post('/agents/onyx/drain')).toMatchObject({ status: 403 })
  expect(orders).toEqual([])
})
