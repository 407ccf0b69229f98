import { expect, test } from 'vitest'
import { OrderService } from '../../agent/order-service.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { Role } from '../../protocol/core/roster.ts'
import { decodeOrderReply, encodeOrderRequest } from '../../protocol/wire/orders-codec.ts'
import { ROSTER } from '../support/control-parts.ts'

/** What an agent answers to the gateway of that roster, and what it does then. */
function rig(
  roles: readonly Role[],
  owner: 'take' | 'refuse' = 'take',
  ordered: (order: string) => void = () => undefined
) {
  const said: string[] = []
  const done: string[] = []
  const note = (facts: object, text: string): void => void said.push(JSON.stringify([facts, text]))
  const members = ROSTER.roster.members.map((each) => {
    return each.name === 'front' ? { ...each, roles } : each
  })
  const service = new OrderService(
    {
      orders: {
        ordered: (order) => {
          ordered(order)
          done.push(order)
          return 'draining'
        }
      },
      roster: () => ({ ...ROSTER, roster: { ...ROSTER.roster, members } }),
      log: { info: note, warn: note } as never
    },
    { orders: owner }
  )
  const answer = async (peer = 'peer-front') => {
    const body = encodeOrderRequest({ order: 'drain', by: 'ci (token 1f2e3d4c)' })
    return decodeOrderReply(await service.handle(peer, body))
  }
  return { answer, said, done }
}

test('an operator is obeyed, and who asked is written down', async () => {
  const { answer, said, done } = rig(['gateway', 'operator'])

  expect(await answer()).toEqual({ kind: 'taken', state: 'draining' })
  expect(done).toEqual(['drain'])
  expect(said.join()).toContain('ci (token 1f2e3d4c)')
  expect(said.join()).toContain('peer-front')
})

test('a gateway that the authority has not made an operator is not, nor an agent or a stranger', async () => {
  const { answer, done } = rig(['gateway', 'witness'])

  for (const peer of ['peer-front', 'peer-basalt', 'peer-nobody']) {
    expect(await answer(peer)).toEqual({ kind: 'refused', reason: 'role' })
  }
  expect(done).toEqual([])
})

test('where the owner of the host refuses orders, nobody is', async () => {
  const { answer, done } = rig(['gateway', 'operator'], 'refuse')

  expect(await answer()).toEqual({ kind: 'refused', reason: 'owner' })
  expect(done).toEqual([])
})

test('an agent that is about to end says so', async () => {
  const { answer } = rig(['operator'], 'take', () => {
    throw new MeshError('STOPPING', { what: 'the agent' })
  })

  expect(await answer()).toEqual({ kind: 'refused', reason: 'stopping' })
})
