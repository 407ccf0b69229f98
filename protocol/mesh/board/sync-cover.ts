import { SYNC_WITNESSES_MAX } from '../../core/limits.ts'

/**
 * Which witnesses anti-entropy visits in this period: all of a few, else `N - w + 1` of N in turn.
 * So many share a witness with every set of `w`, so nothing is missed in any period (lease-protocol
 * 4.11).
 */
export function syncCover<Witness>(
  witnesses: readonly Witness[],
  w: number,
  period: number
): readonly Witness[] {
  const total = witnesses.length
  if (total <= SYNC_WITNESSES_MAX) return witnesses
  const first = (period * w) % total
  const turned = [...witnesses.slice(first), ...witnesses.slice(0, first)]
  return turned.slice(0, total - w + 1)
}
