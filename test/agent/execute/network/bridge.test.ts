import { expect, test } from 'vitest'
import { BRIDGE_PREFIX, bridgeOf } from '../../../../agent/execute/network/bridge.ts'

const CLAIM = '0a1b2c3d'.repeat(4)

test("a bridge's name says its policy, and fits what Linux takes", () => {
  expect(bridgeOf('internet', CLAIM)).toBe('rmji0a1b2c3d')
  expect(bridgeOf('open', CLAIM)).toBe('rmju0a1b2c3d')
  expect(bridgeOf({ allow: ['1.2.3.4:80'] }, CLAIM)).toBe('rmja0a1b2c3d')
  expect(bridgeOf('internet', CLAIM).length).toBeLessThan(16)
  expect(bridgeOf('internet', CLAIM).startsWith(BRIDGE_PREFIX)).toBe(true)
})

test('a bridge that leads nowhere has a name that no rules are for', () => {
  expect(bridgeOf('none', CLAIM)).toBe('rmsn0a1b2c3d')
  expect(bridgeOf('none', CLAIM).startsWith(BRIDGE_PREFIX)).toBe(false)
})
