import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { AddressRange } from '../../../protocol/core/address-range.ts'

/** What this process's own network namespace has. */
export interface HostNetwork {
  interfaces(): Promise<ReadonlySet<string>>
  /** Where packets go that are not for everywhere else. */
  routes(): Promise<readonly AddressRange[]>
  /** Every IPv4 address that is this host's now. */
  addresses(): ReadonlySet<string>
}

export function systemHostNetwork(): HostNetwork {
  return {
    interfaces: async () => parseInterfaces(await readFile('/proc/self/net/dev', 'utf8')),
    routes: async () => parseRoutes(await readFile('/proc/self/net/route', 'utf8')),
    addresses: () => parseAddresses(readFileSync('/proc/self/net/fib_trie', 'utf8'))
  }
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
