import type { Advertisement, JobSize } from '../core/advertisement.ts'
import {
  HOST_COST_PERCENT_MAX,
  HOST_COST_PERCENT_MIN,
  WARM_KEY_DIGITS,
  WARM_KEYS_MAX
} from '../core/placement-limits.ts'
import { bytesOf, count, hexOf, list, refuse } from './fields.ts'

const KEY_BYTES = WARM_KEY_DIGITS / 2

type Said = Pick<Advertisement, 'warm' | 'costPercent' | 'largest'>

/** What an agent says of itself beside what it has: what it is for placement. */
export function placementToWire({ warm = [], costPercent = 100, largest }: Said) {
  return {
    ...(largest === undefined ? {} : { largest: size(largest) }),
    warm: list(warm, WARM_KEYS_MAX, 'warm', (key) => bytesOf(key, KEY_BYTES, 'warm')),
    // Absent is a plain host's: of two spellings one would not be canonical.
    costPercent: costPercent === 100 ? 0 : cost(costPercent)
  }
}

export function placementFromWire(message: {
  readonly warm: readonly Uint8Array[]
  readonly costPercent: number
  readonly largest?: JobSize | undefined
}): Said {
  const { warm, costPercent, largest } = message
  const keys = list(warm, WARM_KEYS_MAX, 'warm', (key) => hexOf(key, KEY_BYTES, 'warm'))
  if (costPercent === 100) refuse('costPercent', 'is said though it is that of a plain host')
  return {
    ...(keys.length === 0 ? {} : { warm: keys }),
    ...(costPercent === 0 ? {} : { costPercent: cost(costPercent) }),
    ...(largest === undefined ? {} : { largest: size(largest) })
  }
}

function size({ cpuMilli, memoryBytes }: JobSize): JobSize {
  return {
    cpuMilli: count(cpuMilli, 'cpuMilli'),
    memoryBytes: count(memoryBytes, 'memoryBytes')
  }
}

function cost(percent: number): number {
  if (count(percent, 'costPercent', HOST_COST_PERCENT_MAX) >= HOST_COST_PERCENT_MIN) return percent
  return refuse('costPercent', `is below ${HOST_COST_PERCENT_MIN}`)
}
