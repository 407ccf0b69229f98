import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  parseAddresses,
  parseInterfaces,
  parseRoutes,
  shutDevice,
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

/** A folder as the kernel has it, of all devices and one; absent where a number is undefined. */
async function confs(all: string, device: string | undefined): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-confs-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  for (const [name, number] of Object.entries({ all, rmsn0: device })) {
    if (number === undefined) continue
    await mkdir(join(dir, name))
    await writeFile(join(dir, name, 'rp_filter'), `${number}\n`)
  }
  return dir
}

test('a device is shut by its own number, and those of others stay', async () => {
  const dir = await confs('0', '0')
  expect(await shutDevice(dir, 'rmsn0')).toBe(true)
  expect(await readFile(join(dir, 'rmsn0', 'rp_filter'), 'utf8')).toMatch(/^1/)
  expect(await readFile(join(dir, 'all', 'rp_filter'), 'utf8')).toBe('0\n')
})

test('a device that is not in this namespace is not shut, whatever the others are', async () => {
  const dir = await confs('1', undefined)
  expect(await shutDevice(dir, 'rmsn0')).toBe(false)
  await expect(readFile(join(dir, 'rmsn0', 'rp_filter'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test.each([
  ['0', false],
  ['1', true],
  ['2', true]
])('one that may not be changed is as all are: %s, %s', async (all, isShut) => {
  const dir = await confs(all, undefined)
  // Takes what is written and says 0, whoever writes it.
  await mkdir(join(dir, 'rmsn0'))
  await symlink('/dev/null', join(dir, 'rmsn0', 'rp_filter'))
  expect(await shutDevice(dir, 'rmsn0')).toBe(isShut)
})
