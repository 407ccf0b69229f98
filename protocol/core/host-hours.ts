/** A moment on the wall of the host: Monday is day 0; minutes count from midnight. */
export interface LocalTime {
  readonly day: number
  readonly minute: number
}

/** Hours on some days; those that end at or before their begin go on into the day after. */
export interface HostHours {
  /** Of the begin; 0 is Monday. */
  readonly days: readonly number[]
  /** Minutes since midnight, below 1440. */
  readonly from: number
  /** Likewise; 1440 is the day's end. */
  readonly to: number
}

export type ParsedHours =
  | { readonly kind: 'hours'; readonly hours: HostHours }
  | { readonly kind: 'unusable'; readonly problem: string }

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const
const DAY_MINUTES = 1_440
const WEEK_MINUTES = DAYS.length * DAY_MINUTES

const DAY = `(?:${DAYS.join('|')})`
const TIME = '(\\d{2}):(\\d{2})'
const HOURS = new RegExp(`^(?:(${DAY}(?:-${DAY})?(?:,${DAY}(?:-${DAY})?)*) )?${TIME}-${TIME}$`)

/** Reads `Mon-Fri 20:00-06:00`, `Sat,Sun 00:00-24:00`, `22:00-06:00` (every day). */
export function parseHours(text: string): ParsedHours {
  const match = HOURS.exec(text)
  if (match === null) return unusable('is not like Mon-Fri 20:00-06:00 or Sat,Sun 00:00-24:00')
  const [, days, ...numbers] = match
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = numbers.map(Number)
  if (fromMinute > 59 || toMinute > 59) return unusable('has a minute above 59')
  const from = fromHour * 60 + fromMinute
  const to = toHour * 60 + toMinute
  if (from >= DAY_MINUTES) return unusable('begins after 23:59')
  if (to > DAY_MINUTES) return unusable('ends after 24:00')
  // Whoever writes this may mean no time at all as well as the whole day.
  if (from === to) return unusable('begins when it ends: the whole day is 00:00-24:00')
  return { kind: 'hours', hours: { days: daysOf(days ?? 'Mon-Sun'), from, to } }
}

/**
 * True within one of the hours. By what the clock on the wall shows: an hour that summer time skips
 * is skipped, one that it repeats counts twice.
 */
export function isWithin(hours: readonly HostHours[], now: LocalTime): boolean {
  const at = minuteOfWeek(now)
  return hours.some((each) =>
    each.days.some((day) => {
      const sinceBegin = (at - (day * DAY_MINUTES + each.from) + WEEK_MINUTES) % WEEK_MINUTES
      return sinceBegin < lengthOf(each)
    })
  )
}

/** When the next of the hours begins, now included; undefined where there are none. */
export function nextBegin(hours: readonly HostHours[], now: LocalTime): LocalTime | undefined {
  const at = minuteOfWeek(now)
  const begins = hours.flatMap(({ days, from }) => days.map((day) => day * DAY_MINUTES + from))
  const waits = begins.map((begin) => (begin - at + WEEK_MINUTES) % WEEK_MINUTES)
  if (waits.length === 0) return undefined
  const minute = (at + Math.min(...waits)) % WEEK_MINUTES
  return { day: Math.floor(minute / DAY_MINUTES), minute: minute % DAY_MINUTES }
}

/** `Mon 20:00` */
export function formatLocalTime({ day, minute }: LocalTime): string {
  const [hours, minutes] = [Math.floor(minute / 60), minute % 60]
  return `${DAYS[day] ?? ''} ${twoDigits(hours)}:${twoDigits(minutes)}`
}

/** 0 for `Mon`; undefined for what is no day. */
export function dayOf(name: string): number | undefined {
  const day = (DAYS as readonly string[]).indexOf(name)
  return day < 0 ? undefined : day
}

function lengthOf({ from, to }: HostHours): number {
  return to > from ? to - from : DAY_MINUTES - from + to
}

function minuteOfWeek({ day, minute }: LocalTime): number {
  return day * DAY_MINUTES + minute
}

/** Each once; a range may pass the week's end, as Sat-Mon does. */
function daysOf(text: string): readonly number[] {
  const days = text.split(',').flatMap((part) => {
    const [first = '', last = first] = part.split('-')
    const from = dayOf(first) ?? 0
    const to = dayOf(last) ?? 0
    const count = ((to - from + DAYS.length) % DAYS.length) + 1
    return Array.from({ length: count }, (_, index) => (from + index) % DAYS.length)
  })
  return [...new Set(days)]
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

function unusable(problem: string): ParsedHours {
  return { kind: 'unusable', problem }
}
