import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddressRange } from '../../../protocol/core/address-range.ts'

/** What this process's own network namespace has. */
export interface HostNetwork {
  interfaces(): Promise<ReadonlySet<string>>
  /** Where packets go that are not for everywhere else. */
  routes(): Promise<readonly AddressRange[]>
  /** Every IPv4 address that is this host's now. */
  addresses(): ReadonlySet<string>
  /**
   * Has the kernel drop what comes over a device without addresses to the host itself; false where
   * it does not, and cannot be told to by this process.
   */
  shut(device: string): Promise<boolean>
}

export function systemHostNetwork(): HostNetwork {
  return {
    interfaces: async () => parseInterfaces(await readFile('/proc/self/net/dev', 'utf8')),
    routes: async () => parseRoutes(await readFile('/proc/self/net/route', 'utf8')),
    addresses: () => parseAddresses(readFileSync('/proc/self/net/fib_trie', 'utf8')),
    shut: (device) => shutDevice('/proc/sys/net/ipv4/conf', device)
  }
}

/**
 * By the check of a packet's way back, which is off in a kernel that was told nothing: the larger
 * of two numbers goes (`ip-sysctl` of the kernel's documents), and on a device without addresses
 * 1 and 2 are the same. `confs` is the folder of all devices.
 */
export async function shutDevice(confs: string, device: string): Promise<boolean> {
  const fileOf = (name: string): string => join(confs, name, 'rp_filter')
  await writeFile(fileOf(device), '1', { flag: 'r+' }).catch(() => undefined)
  const read = ['all', device].map(async (name) => Number(await readFile(fileOf(name), 'utf8')))
  const numbers = await Promise.all(read).catch(() => [0])
  return Math.max(...numbers) >= 1
}

export function parseInterfaces(text: string): ReadonlySet<string> {
  const names = text.split('\n').map((line) => /^\s*([^:\s]+):/.exec(line)?.[1])
  return new Set(names.filter((name) => name !== undefined))
}

/** An address is a line of its own, what it is for the next. */
export function parseAddresses(text: string): ReadonlySet<string> {
  const found = [...text.matchAll(/\|-- ([\d.]+)\n\s+\/32 host LOCAL/g)]
  return new Set(found.map(([, address = '']) => address))
}

/**
 * Of the IPv4 table, whose numbers are in the host's byte order, without routes to
 * everywhere else: the default one, and the two halves that a VPN covers it with.
 */
export function parseRoutes(text: string): readonly AddressRange[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, destination = '', , , , , , mask = ''] = line.split('\t')
      if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return []
      if (EVERYWHERE.has(mask)) return []
      const first = swapped(destination)
      return [{ first, last: first + (0xff_ff_ff_ff - swapped(mask)) }]
    })
}

/** Masks of /0 and /1. */
const EVERYWHERE: ReadonlySet<string> = new Set(['00000000', '00000080'])

function swapped(hex: string): number {
  return Buffer.from(hex, 'hex').readUInt32LE()
}
