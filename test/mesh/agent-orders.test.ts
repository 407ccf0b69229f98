import { afterAll, beforeAll, expect, test } from 'vitest'
import { Life } from '../../agent/life.ts'
import { OrderService } from '../../agent/order-service.ts'
import { agentOrders } from '../../agent/orders.ts'
import { agentOrdersOf } from '../../gateway/agent-orders.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { memberEntry, rosterOf, TestMesh } from '../support/mesh-nodes.ts'

/* Real keys and real streams: who orders is proven by the connection alone. */

const mesh = new TestMesh()
const life = new Life()

beforeAll(async () => {
  life.tell({ kind: 'probed' }, { kind: 'quorum_answered' })
  const claimer = { heldJobs: [], taken: new Map() } as never
  const orders = agentOrders({ life, claimer, leaving: () => false })
  const service = new OrderService(
    { orders, roster: () => mesh.host(0).book.current(), log: silentLog() },
    { orders: 'take' }
  )
  await mesh.addHost({ prepare: (node) => node.handle(PROTOCOLS.orders, service.handle) })
  await mesh.addHost()
  await mesh.addHost()
  const roles = [['agent', 'witness'], ['gateway', 'operator'], ['gateway']] as const
  const members = roles.map((each, index) => {
    const { key, node } = mesh.host(index)
    return memberEntry(key.peerId, { addresses: node.addresses(), roles: each })
  })
  const sealed = sealRoster(mesh.authority, rosterOf(mesh.authority, members))
  for (const index of roles.keys()) await mesh.host(index).book.offer(sealed.bytes)
  await mesh.linked()
})

afterAll(() => mesh.stop())

const order = (host: number, wanted: 'pause' | 'resume') => {
  const agent = { peerId: mesh.host(0).key.peerId, name: 'onyx' }
  return agentOrdersOf(mesh.host(host).node)(agent, wanted, 'ci (token 1f2e3d4c)')
}

test('a gateway that is an operator pauses an agent and takes that back', async () => {
  expect(await order(1, 'pause')).toBe('paused')
  expect(life.state).toBe('paused')
  expect(await order(1, 'resume')).toBe('idle')
})

test('one that is none is refused, and told what it lacks', async () => {
  const refused = order(2, 'pause')

  await expect(refused).rejects.toMatchObject({ code: 'ORDER_REFUSED' })
  await expect(refused).rejects.toThrow('--role operator')
  expect(life.state).toBe('idle')
})
