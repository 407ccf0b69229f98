import { expect, test } from 'vitest'
import { Life } from '../../agent/life.ts'
import { agentOrders } from '../../agent/orders.ts'
import { claimBench, runWith } from '../support/claim-bench.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { OneRegister } from '../support/one-register.ts'
import { until } from '../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'

/** An idle agent with room for one of two queued jobs. */
function agent() {
  const mesh = new OneRegister()
  const clock = new FakeClock()
  mesh.addRun(runWith(RUN, 2))
  const bench = claimBench(mesh, clock, { peerId: 'onyx', jobs: 1 })
  const life = new Life()
  life.onChange(() => {
    bench.order.mayClaim = life.mayClaim
    bench.claimer.consider()
  })
  life.tell({ kind: 'quorum_answered' })
  life.tell({ kind: 'probed' })
  let leaving = false
  const orders = agentOrders({ life, claimer: bench.claimer, leaving: () => leaving })
  const leave = (): void => {
    leaving = true
  }
  return { mesh, clock, bench, orders, leave }
}

const held = ({ bench }: ReturnType<typeof agent>) => bench.attempts.inputs.length

test('a draining agent finishes what it holds, takes nothing new, and then says drained', async () => {
  const one = agent()
  await until(one.clock, () => held(one) === 1)

  one.orders.drain()
  expect(one.orders.view()).toMatchObject({ state: 'draining', drained: false })
  expect(one.orders.view().jobs).toHaveLength(1)
  one.bench.attempts.end(0)
  await until(one.clock, () => one.orders.view().drained)
  await one.clock.advance(60_000)

  expect(held(one)).toBe(1)
  expect([...one.mesh.states.values()].map(({ phase }) => phase)).toEqual(['succeeded'])
})

test('an order that is taken back lets the agent claim again', async () => {
  const one = agent()
  one.orders.drain()
  await one.clock.advance(60_000)
  expect(one.orders.view()).toEqual({ state: 'draining', jobs: [], drained: true })

  one.orders.resume()
  await until(one.clock, () => held(one) === 1)

  expect(one.orders.view()).toMatchObject({ drained: false, jobs: [expect.any(String)] })
})

test('an agent that is about to end is not called back', () => {
  const one = agent()
  one.orders.drain()
  one.leave()

  expect(() => one.orders.resume()).toThrow(expect.objectContaining({ code: 'STOPPING' }))
  expect(one.orders.view().state).toBe('draining')
})

test('what the mesh has ordered it takes back, and not what the owner has', async () => {
  const one = agent()
  one.orders.ordered('pause')
  expect(one.orders.view().state).toBe('paused')
  one.orders.ordered('drain')
  expect(one.orders.view().state).toBe('draining')
  one.orders.ordered('pause')
  expect(one.orders.view().state).toBe('paused')
  one.orders.drain()
  one.orders.ordered('resume')
  expect(one.orders.view().state).toBe('draining')
  await one.clock.advance(60_000)
  expect(held(one)).toBe(0)

  one.orders.ordered('pause')
  one.orders.resume()
  await until(one.clock, () => held(one) === 1)

  expect(one.orders.view().state).toBe('idle')
})

test('nothing is claimed between two orders of which the later one is weaker', async () => {
  const one = agent()
  one.orders.ordered('drain')
  one.orders.ordered('pause')
  await one.clock.advance(60_000)

  expect(held(one)).toBe(0)
  expect(one.orders.view().state).toBe('paused')
})
