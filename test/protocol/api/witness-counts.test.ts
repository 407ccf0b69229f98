import { expect, test } from 'vitest'
import { witnessCounts, witnessCountsSchema } from '../../../protocol/api/witness-counts.ts'

test('witnesses are counted with those that can be reached', () => {
  const witnesses = [{ reachable: true }, { reachable: false }, { reachable: true }]

  const counts = witnessCounts({ witnesses, w: 3, quorum: 2 })

  expect(witnessCountsSchema.parse(counts)).toEqual(counts)
  expect(counts).toEqual({ total: 3, perRun: 3, quorum: 2, reachable: 2 })
})
