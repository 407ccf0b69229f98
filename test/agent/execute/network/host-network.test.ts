import { expect, test } from 'vitest'
import {
  parseAddresses,
  parseInterfaces,
  parseRoutes,
  systemHostNetwork
} from '../../../../agent/execute/network/host-network.ts'
import { rangeOf } from '../../../../protocol/core/address-range.ts'

test('interfaces are read by their names alone', () => {
  const text =
    'Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n' +
    '    lo: 1 2 3\nrmji0a1b2c3d:  1 2 3\n'
  expect([...parseInterfaces(text)]).toEqual(['lo', 'rmji0a1b2c3d'])
})

test('routes are read as blocks, without those for everywhere else', () => {
  const text =
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n' +
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n' +
    'tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n' +
    'tun0\t00000080\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n' +
    'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n' +
    'veth0\t04030201\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n'
  expect(parseRoutes(text)).toEqual([rangeOf('172.17.0.0/16'), rangeOf('1.2.3.4')])
})

test("this process's own namespace has a loopback", async () => {
  expect(await systemHostNetwork().interfaces()).toContain('lo')
  expect(Array.isArray(await systemHostNetwork().routes())).toBe(true)
})

test("addresses are the host's own, each once, and no networks", () => {
  const text = [
    'Main:',
    '  +-- 0.0.0.0/0 3 0 5',
    '     |-- 10.0.0.0',
    '        /24 link UNICAST',
    '        |-- 10.0.0.7',
    '           /32 host LOCAL',
    '        |-- 10.0.0.255',
    '           /32 link BROADCAST',
    '     |-- 127.0.0.0',
    '        /8 host LOCAL',
    'Local:',
    '        |-- 10.0.0.7',
    '           /32 host LOCAL',
    ''
  ].join('\n')
  expect([...parseAddresses(text)]).toEqual(['10.0.0.7'])
})
