import fc from 'fast-check'
import { blockRange, formatAddress } from '../../protocol/core/address-range.ts'
import type { AllowEntry } from '../../protocol/core/allow-entry.ts'
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
