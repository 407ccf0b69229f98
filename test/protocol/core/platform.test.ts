import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePlatform, runsOn } from '../../../protocol/core/platform.ts'

test.each([
  ['linux/amd64', 'linux/amd64', true],
  ['linux/x86_64', 'linux/amd64', true],
  ['linux/arm64', 'linux/arm64/v8', true],
  ['linux/aarch64', 'linux/arm64', true],
  ['linux/arm/v6', 'linux/arm/v7', true],
  ['linux/armel', 'linux/arm/v6', true],
  ['linux/armhf', 'linux/arm/v6', false],
  ['linux/armhf', 'linux/arm/v7', true],
  ['linux/arm', 'linux/arm/v7', true],
  ['linux/arm', 'linux/arm/v6', false],
  ['linux/arm/v7', 'linux/arm/v6', false],
  ['linux/amd64/v3', 'linux/amd64', false],
  ['linux/amd64', 'linux/amd64/v3', true],
  ['linux/arm64', 'linux/amd64', false],
  ['linux/riscv64', 'linux/riscv64', true],
  ['windows/amd64', 'linux/amd64', false],
  ['amd64', 'linux/amd64', false]
])('code for %s on a host of %s: %s', (wanted, offered, expected) => {
  expect(runsOn(wanted, offered)).toBe(expected)
})

test.each(['', 'linux', 'linux/', '/amd64', 'linux/amd64/', 'Linux/amd64', 'linux/arm/v', 'a/b/c'])(
  '"%s" is no platform',
  (text) => {
    expect(parsePlatform(text)).toBeUndefined()
  }
)

test('an architecture named like an object property is only a name', () => {
  expect(parsePlatform('linux/constructor')).toEqual({
    os: 'linux',
    arch: 'constructor',
    variant: 0
  })
})

test('any text either is no platform or runs on itself', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(runsOn(text, text)).toBe(parsePlatform(text) !== undefined)
    })
  )
})
