import { expect, test } from 'vitest'
import { rangeOf } from '../../../protocol/core/address-range.ts'
import { hasSpecial, isNeverReachable } from '../../../protocol/core/special-ranges.ts'

test.each([
  ['1.2.3.4', false, false],
  ['8.8.8.0/24', false, false],
  ['172.32.0.0/12', false, false],
  ['10.9.9.9', true, false],
  ['172.31.0.9', true, false],
  ['192.168.77.7', true, false],
  // Alibaba's metadata, in a range that is otherwise for the owner to open.
  ['100.100.100.200', true, true],
  ['100.100.100.201', true, false],
  ['100.100.100.200/31', true, false],
  // Azure's, in nobody's registry.
  ['168.63.129.16', true, true],
  ['168.63.129.17', false, false],
  ['0.0.0.0/0', true, false],
  ['169.254.169.254', true, true],
  ['169.254.0.0/16', true, true],
  ['168.0.0.0/7', true, false],
  ['127.0.0.53', true, true],
  ['255.255.255.255', true, true]
])('%s: not all public %s, never reachable %s', (text, special, never) => {
  expect(hasSpecial(rangeOf(text))).toBe(special)
  expect(isNeverReachable(rangeOf(text))).toBe(never)
})
