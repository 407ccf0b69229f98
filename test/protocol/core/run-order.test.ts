import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RunOrder } from '../../../protocol/core/run-order.ts'

const places = fc.uniqueArray(
  fc.record({ issuedAtMs: fc.nat(5), runId: fc.stringMatching(/^[A-C]{1,3}$/) }),
  { selector: ({ runId }) => runId, maxLength: 30 }
)

test('runs come by time, then by id, in both directions', () => {
  fc.assert(
    fc.property(places, (all) => {
      const order = new RunOrder()
      for (const place of all) order.add(place)

      const sorted = all
        .toSorted((a, b) => a.issuedAtMs - b.issuedAtMs || (a.runId < b.runId ? -1 : 1))
        .map(({ runId }) => runId)

      expect([...order.oldest()]).toEqual(sorted)
      expect([...order.newest()]).toEqual(sorted.toReversed())
    })
  )
})

test('a removed run is gone and the rest stays in order', () => {
  const order = new RunOrder()
  for (const runId of ['A', 'B', 'C']) order.add({ issuedAtMs: 1, runId })
  order.remove({ issuedAtMs: 1, runId: 'B' })
  order.remove({ issuedAtMs: 2, runId: 'C' })
  expect([...order.oldest()]).toEqual(['A', 'C'])
})

test('reading goes on from a place, also when its run is gone by then', () => {
  const order = new RunOrder()
  for (const [index, runId] of ['A', 'B', 'C', 'D'].entries())
    order.add({ issuedAtMs: index, runId })
  expect([...order.newest({ issuedAtMs: 2, runId: 'C' })]).toEqual(['C', 'B', 'A'])
  order.remove({ issuedAtMs: 2, runId: 'C' })
  expect([...order.newest({ issuedAtMs: 2, runId: 'C' })]).toEqual(['B', 'A'])
})
