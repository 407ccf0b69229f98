import { expect, test } from 'vitest'
import { formatBytes, formatCpu } from '../../../protocol/core/quantities.ts'
import { GIB } from '../../support/arbitrary-board.ts'

test.each([
  [0, '0B'],
  [1_023, '1023B'],
  [1_024, '1KiB'],
  [1.5 * GIB, '1.5GiB'],
  [2 * GIB - 1, '1.9GiB'],
  [2 ** 50, '1024TiB']
])('%d bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test('cores are shown without a unit', () => {
  expect([formatCpu(2_000), formatCpu(250)]).toEqual(['2', '0.25'])
})
