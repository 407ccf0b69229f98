import { dayOf, type LocalTime } from '../../protocol/core/host-hours.ts'

/** True for what the time zone data of this process knows. */
export function isZone(zone: string): boolean {
  try {
    return formatOf(zone) !== undefined
  } catch {
    return false
  }
}

/** What the clock on a wall in that zone shows, summer time included. Throws RangeError. */
export function zoneTime(zone: string): (wallMs: number) => LocalTime {
  const format = formatOf(zone)
  return (wallMs) => {
    const parts = new Map(format.formatToParts(wallMs).map(({ type, value }) => [type, value]))
    const day = dayOf(parts.get('weekday') ?? '') ?? 0
    return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) }
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const shape = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  return new Intl.DateTimeFormat('en-US', { ...shape, timeZone })
}
