import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { SignalOrders } from '../../../protocol/host/signal-orders.ts'

/** Which orders have been given once all that was said has been heard. */
async function given(orders: SignalOrders): Promise<string[]> {
  const seen: string[] = []
  void orders.first.then(() => seen.push('first'))
  void orders.second.then(() => seen.push('second'))
  await new Promise(setImmediate)
  return seen
}

test.each([
  [[], []],
  [['SIGTERM'], ['first']],
  [
    ['SIGTERM', 'SIGTERM'],
    ['first', 'second']
  ],
  [['SIGINT'], ['first', 'second']],
  [
    ['SIGTERM', 'SIGINT'],
    ['first', 'second']
  ]
])('after %j the orders given are %j', async (signals, orders) => {
  const source = new EventEmitter()
  const heard = new SignalOrders({ source })

  for (const signal of signals) source.emit(signal)

  expect(await given(heard)).toEqual(orders)
})

test('hang-ups are obeyed one after the other, and end nothing', async () => {
  const source = new EventEmitter()
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let begun = 0
  const hangUp = async (): Promise<void> => {
    const gate = gates[begun]
    begun += 1
    await gate?.promise
  }
  const heard = new SignalOrders({ source, hangUp })

  source.emit('SIGHUP')
  source.emit('SIGHUP')
  expect(await given(heard)).toEqual([])
  expect(begun).toBe(1)

  gates[0]?.resolve()
  await given(heard)
  expect(begun).toBe(2)
})

test('without an order for it a hang-up stays what the system makes of it', () => {
  const source = new EventEmitter()
  const heard = new SignalOrders({ source })

  expect(source.listenerCount('SIGHUP')).toBe(0)
  heard.forget()
})

test('what is forgotten is heard no more', () => {
  const source = new EventEmitter()
  const heard = new SignalOrders({ source, hangUp: () => Promise.resolve() })
  expect(source.eventNames()).toEqual(['SIGTERM', 'SIGINT', 'SIGHUP'])

  heard.forget()

  expect(source.eventNames()).toEqual([])
})
