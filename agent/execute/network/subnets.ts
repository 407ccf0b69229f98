import {
  type AddressRange,
  formatAddress,
  overlaps,
  rangeOf
} from '../../../protocol/core/address-range.ts'
import { JOB_SUBNET_BITS } from '../../../protocol/core/network-limits.ts'

const SIZE = 2 ** (32 - JOB_SUBNET_BITS)

/**
 * Up to `max` subnets of the pool that nothing in `taken` overlaps. They begin at a place that
 * `seed` picks: agents that share an engine would else all try the same one.
 */
export function freeSubnets(
  pool: string,
  taken: readonly AddressRange[],
  seed: number,
  max: number
): readonly string[] {
  const { first, last } = rangeOf(pool)
  const count = Math.floor((last - first + 1) / SIZE)
  const near = taken.filter((range) => overlaps(range, { first, last }))
  const free: string[] = []
  for (let step = 0; step < count && free.length < max; step += 1) {
    const start = first + ((seed + step) % count) * SIZE
    const range = { first: start, last: start + SIZE - 1 }
    if (near.some((other) => overlaps(other, range))) continue
    free.push(`${formatAddress(start)}/${JOB_SUBNET_BITS}`)
  }
  return free
}
