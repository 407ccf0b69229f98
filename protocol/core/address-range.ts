/** IPv4 addresses `first` to `last`, as unsigned 32-bit numbers. */
export interface AddressRange {
  readonly first: number
  readonly last: number
}

/** `10.1.2.3` as a number; undefined for anything else, leading zeros too: some read them octal. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let address = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    address = address * 256 + Number(part)
  }
  return address
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** The addresses of a block; undefined where `address` has bits beyond its prefix. */
export function blockRange(address: number, prefix: number): AddressRange | undefined {
  const size = 2 ** (32 - prefix)
  if (address % size !== 0) return undefined
  return { first: address, last: address + size - 1 }
}

/** `10.0.0.0/8`, or an address alone. Throws for what is neither: for lists of our own. */
export function rangeOf(text: string): AddressRange {
  const [address = '', prefix = '32'] = text.split('/')
  const range = blockRange(parseAddress(address) ?? Number.NaN, Number(prefix))
  if (range === undefined) throw new TypeError(`${text} is no block of addresses`)
  return range
}

export function overlaps(one: AddressRange, other: AddressRange): boolean {
  return one.first <= other.last && other.first <= one.last
}

export function holdsRange(outer: AddressRange, inner: AddressRange): boolean {
  return outer.first <= inner.first && inner.last <= outer.last
}
