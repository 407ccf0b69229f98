import { JOB_TIMEOUT_MS_MAX } from './limits.ts'

/** A value in its unit, or what is wrong with the way out. */
export type Quantity =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'problem'; readonly text: string }

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** `90s`, `30m`, `1h30m` to milliseconds. */
export function parseDuration(input: unknown): Quantity {
  if (typeof input === 'number') return problem('has no unit: write it as in 30m or 90s')
  const match = typeof input === 'string' ? DURATION.exec(input) : null
  if (match === null) return problem('is no duration: write it as in 90s, 30m or 1h30m')
  const [, hours = '0', minutes = '0', seconds = '0'] = match
  const ms = Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS + Number(seconds) * SECOND_MS
  if (ms < SECOND_MS) return problem('is too short: at least 1s is allowed')
  const hoursMax = JOB_TIMEOUT_MS_MAX / HOUR_MS
  if (ms > JOB_TIMEOUT_MS_MAX) return problem(`is too long: at most ${hoursMax}h are allowed`)
  return { kind: 'value', value: ms }
}

export const DURATION = /^(?=[0-9])(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?$/

function problem(text: string): Quantity {
  return { kind: 'problem', text }
}
