import { type AddressRange, formatAddress, rangeOf } from '../../../protocol/core/address-range.ts'

/** What no job reaches since its host's owner says so: blocks, as `203.0.113.0/24`. */
export type Denied = readonly string[]

/** Apart and in order: kernels refuse elements of a set that overlap. */
export function deniedRanges(denied: Denied): readonly AddressRange[] {
  const ranges = denied.map(rangeOf).sort((one, other) => one.first - other.first)
  const apart: AddressRange[] = []
  for (const range of ranges) {
    const before = apart.at(-1)
    if (before === undefined || range.first > before.last + 1) apart.push(range)
    else apart[apart.length - 1] = { first: before.first, last: Math.max(before.last, range.last) }
  }
  return apart
}

/** As `nft` takes it for a set of intervals; one without any is a set without elements. */
export function deniedSet(denied: Denied): readonly string[] {
  const elements = deniedRanges(denied).map(({ first, last }) => {
    return first === last ? formatAddress(first) : `${formatAddress(first)}-${formatAddress(last)}`
  })
  const listed = elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]
  return ['  set denied4 {', '    type ipv4_addr; flags interval;', ...listed, '  }']
}
