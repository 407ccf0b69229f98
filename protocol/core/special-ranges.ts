import { type AddressRange, holdsRange, overlaps, rangeOf } from './address-range.ts'

/**
 * What is not the public internet (RFC 6890 and IANA's registry): the host owner's own networks,
 * other jobs, loopback, a cloud's metadata. `192.88.99.0/24` led into IPv6; `168.63.129.16`
 * is in no registry.
 */
export const SPECIAL_RANGES = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4'
] as const

/**
 * Where clouds keep their machines' credentials, link-local, Azure's and Alibaba's: no policy opens
 * them, though a block of a list may hold them.
 */
export const METADATA_RANGES = ['169.254.0.0/16', '168.63.129.16/32', '100.100.100.200/32'] as const

/** No job reaches these, whatever its policy and whoever owns the host. */
const NEVER = [
  ...['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4'],
  ...METADATA_RANGES
].map(rangeOf)

const SPECIAL = SPECIAL_RANGES.map(rangeOf)

/** True where some address of the range is not public. */
export function hasSpecial(range: AddressRange): boolean {
  return SPECIAL.some((special) => overlaps(special, range))
}

/** True where some address of the range is public; SPECIAL_RANGES are in their order. */
export function hasPublic(range: AddressRange): boolean {
  let next = range.first
  for (const { first, last } of SPECIAL) {
    if (first > next) break
    next = Math.max(next, last + 1)
  }
  return next <= range.last
}

/** True where all of the range is never reachable. */
export function isNeverReachable(range: AddressRange): boolean {
  return NEVER.some((never) => holdsRange(never, range))
}
