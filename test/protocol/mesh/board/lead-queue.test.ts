import { expect, test } from 'vitest'
import {
  BOARD_QUEUE_MAX,
  BOARD_READS_MAX,
  BOARD_TRIES_MAX
} from '../../../../protocol/core/limits.ts'
import { type Follow, type Lead, LeadQueue } from '../../../../protocol/mesh/board/lead-queue.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { SeededRandom } from '../../../support/seeded-random.ts'

function leadOf(register: string, fields: Partial<Lead> = {}): Lead {
  const told = { annHash: undefined, peers: ['a'], source: 'sync', tries: 0 } as const
  return { register, witnessEpoch: 1, version: 1, ...told, ...fields }
}

function open(follow: Follow) {
  const clock = new FakeClock()
  return { clock, queue: new LeadQueue({ clock, random: new SeededRandom(1) }, follow) }
}

test('leads are followed side by side, up to a number, and one register at a time', async () => {
  const gate = Promise.withResolvers<void>()
  const followed: string[] = []
  const { queue } = open(async ({ register }) => {
    followed.push(register)
    await gate.promise
    return 'done'
  })
  for (let index = 0; index < 2 * BOARD_READS_MAX; index += 1) queue.add(leadOf(`R${index}`))
  queue.add(leadOf('R0', { version: 9 }))

  expect(followed).toHaveLength(BOARD_READS_MAX)
  gate.resolve()
  await queue.stop()
  expect(new Set(followed).size).toBe(BOARD_READS_MAX)
})

test('a lead told again while it waits is one lead, at the highest version', async () => {
  const gate = Promise.withResolvers<void>()
  const followed: Lead[] = []
  const { clock, queue } = open(async (lead) => {
    followed.push(lead)
    if (lead.register !== 'R0') return 'done'
    await gate.promise
    return 'done'
  })
  for (let index = 0; index < BOARD_READS_MAX; index += 1)
    queue.add(leadOf('R0', { witnessEpoch: index }))
  queue.add(leadOf('R1', { version: 2, peers: ['a'], source: 'gossip' }))
  queue.add(leadOf('R1', { version: 7, peers: ['b'], annHash: 'hash' }))
  queue.add(leadOf('R1', { version: 3, peers: ['c'] }))
  gate.resolve()
  await clock.advance(10)

  const wanted = { version: 7, annHash: 'hash', source: 'sync', peers: ['c', 'b', 'a'] }
  expect(followed.filter(({ register }) => register === 'R1')).toMatchObject([wanted])
  expect(queue.busy).toBe(false)
})

test('what a witness told is tried until it is read; what anybody told is given up', async () => {
  const tries = { sync: 0, gossip: 0 }
  const { clock, queue } = open(async ({ source }) => {
    tries[source] += 1
    return tries.sync > 40 ? 'done' : 'again'
  })
  queue.add(leadOf('R1', { source: 'sync' }))
  queue.add(leadOf('R2', { source: 'gossip' }))

  await clock.advance(1_000_000)

  expect(tries).toEqual({ sync: 41, gossip: BOARD_TRIES_MAX })
  expect(queue.busy).toBe(false)
  expect(clock.armed()).toBe(0)
})

test('a lead on a pause is followed at once when it is told anew', async () => {
  let tries = 0
  const { clock, queue } = open(async () => {
    tries += 1
    return 'again'
  })
  queue.add(leadOf('R1'))
  await clock.advance(20_000)
  const before = tries

  queue.add(leadOf('R1', { version: 2 }))
  await clock.advance(0)

  expect(tries).toBe(before + 1)
  await queue.stop()
  expect(clock.armed()).toBe(0)
})

test('a queue without room takes only what it knows already', async () => {
  const gate = Promise.withResolvers<'done'>()
  const { queue } = open(() => gate.promise)
  for (let index = 0; index < BOARD_QUEUE_MAX + BOARD_READS_MAX; index += 1) {
    queue.add(leadOf(`R${index}`))
  }

  expect(queue.room).toBe(0)
  expect(queue.add(leadOf('other'))).toBe(false)
  expect(queue.add(leadOf('R500', { version: 2 }))).toBe(true)
  gate.resolve('done')
  await queue.stop()
})
