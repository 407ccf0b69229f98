import { describe, expect, test } from 'vitest'
import { ADDRESSES_MAX } from '../../../protocol/core/limits.ts'
import {
  addressesOf,
  isMemberAddress,
  isMemberName,
  reachOf
} from '../../../protocol/core/member-fields.ts'

test.each([
  ['onyx', true],
  ['onyx-2.lab_7', true],
  ['', false],
  ['-onyx', false],
  ['on yx', false],
  ['onyx\n', false],
  ['x'.repeat(101), false]
])('the name %j is usable: %s', (name, usable) => {
  expect(isMemberName(name)).toBe(usable)
})

test.each([
  ['/ip4/10.0.0.7/tcp/4471', true],
  ['/dns4/onyx.example/tcp/4471', true],
  ['/ip4/10.0.0.7/udp/4471', false],
  ['/ip4/10.0.0.7/tcp/4471/p2p/x', false],
  ['/dnsaddr/example.org/tcp/1', false],
  [`/dns/${'x'.repeat(600)}/tcp/1`, false]
])('the address %j is usable: %s', (address, usable) => {
  expect(isMemberAddress(address)).toBe(usable)
})

describe('where a host can be reached', () => {
  test('is an address where it listens on one, else no more than the port', () => {
    const listen = ['/ip4/0.0.0.0/tcp/4471', '/ip6/::/tcp/4471', '/ip4/10.0.0.8/tcp/4500']

    expect(reachOf(listen)).toEqual({ addresses: ['/ip4/10.0.0.8/tcp/4500'], ports: [4471] })
  })

  test('is completed with the address that its connection came from', () => {
    const reach = { addresses: ['/dns/basalt/tcp/1'], ports: [4471, 4472] }

    expect(addressesOf(reach, '/ip4/10.0.0.8/tcp/51234')).toEqual([
      '/dns/basalt/tcp/1',
      '/ip4/10.0.0.8/tcp/4471',
      '/ip4/10.0.0.8/tcp/4472'
    ])
    expect(addressesOf(reach, undefined)).toEqual(['/dns/basalt/tcp/1'])
  })

  test.each([
    ['/ip6/2001:db8::8/tcp/51234', '/ip6/2001:db8::8/tcp/1'],
    ['/ip6/::ffff:10.0.0.8/tcp/51234', '/ip4/10.0.0.8/tcp/1'],
    ['/unix/x', undefined]
  ])('as seen at %s is %s', (seen, address) => {
    const found = addressesOf({ addresses: [], ports: [1] }, seen)

    expect(found).toEqual(address === undefined ? [] : [address])
  })

  test('is never more than a roster takes', () => {
    const ports = Array.from({ length: ADDRESSES_MAX + 3 }, (_, index) => index + 1)

    expect(addressesOf({ addresses: [], ports }, '/ip4/10.0.0.8/tcp/9')).toHaveLength(ADDRESSES_MAX)
  })
})
