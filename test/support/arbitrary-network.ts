import fc from 'fast-check'
import { blockRange, formatAddress } from '../../protocol/core/address-range.ts'
import type { AllowEntry } from '../../protocol/core/allow-entry.ts'
import type { NameEntry } from '../../protocol/core/name-entry.ts'
import { isNeverReachable } from '../../protocol/core/special-ranges.ts'

/** Whatever an allow list may hold. */
export const allowEntries: fc.Arbitrary<AllowEntry> = fc
  .record({
    address: fc.nat(0xff_ff_ff_ff),
    prefix: fc.integer({ min: 0, max: 32 }),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    ports: fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 }))
  })
  .map(({ address, prefix, protocol, ports }) => {
    const first = address - (address % 2 ** (32 - prefix))
    const range = blockRange(first, prefix) ?? { first, last: first }
    const [firstPort, lastPort] = [Math.min(...ports), Math.max(...ports)]
    return { address: formatAddress(first), prefix, range, protocol, firstPort, lastPort }
  })
  .filter(({ range }) => !isNeverReachable(range))

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
const label = fc
  .tuple(
    fc.constantFrom(...letters),
    fc.string({ unit: fc.constantFrom(...letters, '-', '_'), maxLength: 8 }),
    fc.constantFrom(...letters)
  )
  .map((parts) => parts.join(''))

/** Canonical names of hosts, of few labels: some are below others. */
export const hostNames: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof(fc.constantFrom('a', 'b'), label), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('example', 'test', 'xn--p1ai')
  )
  .map(([labels, top]) => [...labels, top].join('.'))

/** Whatever an allow list may say by names. */
export const nameEntries: fc.Arbitrary<NameEntry> = fc
  .record({
    name: hostNames,
    below: fc.boolean(),
    ports: fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 }))
  })
  .map(({ ports, ...entry }) => ({
    ...entry,
    firstPort: Math.min(...ports),
    lastPort: Math.max(...ports)
  }))
  .filter(({ firstPort, lastPort }) => firstPort !== 25 || lastPort !== 25)
