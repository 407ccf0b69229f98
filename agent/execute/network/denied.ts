import {
  type AddressRange,
  formatAddress,
  holdsRange,
  rangeOf
} from '../../../protocol/core/address-range.ts'
import { deniedOpening, type Opening } from './openings.ts'

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

/**
 * As it is told to a kernel whose rules are those of every agent of this host. Blocks lie within
 * one another or apart: the outermost are enough.
 */
export function deniedOpenings(bridge: string, denied: Denied): readonly Opening[] {
  const blocks = [...new Set(denied)]
  const isInner = (block: string): boolean =>
    blocks.some((other) => other !== block && holdsRange(rangeOf(other), rangeOf(block)))
  return blocks
    .filter((block) => !isInner(block))
    .map((block) => {
      const [address = '', prefix = '32'] = block.split('/')
      return deniedOpening(bridge, address, Number(prefix))
    })
}

/** As `nft` takes it for a set of intervals; one without any is a set without elements. */
export function deniedSet(denied: Denied): readonly string[] {
  const elements = deniedRanges(denied).map(({ first, last }) => {
    return first === last ? formatAddress(first) : `${formatAddress(first)}-${formatAddress(last)}`
  })
  const listed = elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]
  return ['  set denied4 {', '    type ipv4_addr; flags interval;', ...listed, '  }']
}
