import { MeshError } from '../core/errors.ts'
import { CRON_CHARACTERS_MAX } from '../core/pipeline-limits.ts'
import { type CronField, FIELDS, type FieldName, parseField } from './cron-field.ts'
import { quoted } from './problem.ts'
import type { Check } from './text.ts'

/*
 * The five fields of cron, in UTC. A day is meant by its date and its weekday: by either where both
 * are given, by both where one of them begins with a star.
 */

type Cron = Readonly<Record<FieldName, CronField>>

type Parsed =
  | { readonly kind: 'cron'; readonly cron: Cron }
  | { readonly kind: 'problem'; readonly text: string }

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** A 29 February that must be a certain weekday comes every 28 years, and once after 40. */
const DAYS_MAX = 50 * 366
/** The longest that each month can be. */
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** What is wrong with a cron expression, with the way out. */
export const cronProblem: Check = (text) => {
  const parsed = parse(text)
  return parsed.kind === 'problem' ? parsed.text : undefined
}

/**
 * The first minute after `afterMs` that a checked expression means; both in milliseconds since
 * 1970, UTC. Throws BUG for an expression that cronProblem refuses.
 */
export function nextOf(text: string, afterMs: number): number {
  const parsed = parse(text)
  if (parsed.kind === 'problem') throw bug(`the cron expression ${quoted(text)} ${parsed.text}`)
  const { cron } = parsed
  const fromMs = (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS
  let dayMs = Math.floor(fromMs / DAY_MS) * DAY_MS
  for (let days = 0; days < DAYS_MAX; days += 1) {
    const minute = isDay(cron, new Date(dayMs)) ? minuteFrom(cron, fromMs - dayMs) : undefined
    if (minute !== undefined) return dayMs + minute * MINUTE_MS
    dayMs += DAY_MS
  }
  throw bug(`the cron expression ${quoted(text)} never comes after ${afterMs}`)
}

/** Of the day, at or after that time of it. */
function minuteFrom({ hour, minute }: Cron, timeMs: number): number | undefined {
  const from = Math.max(0, timeMs / MINUTE_MS)
  for (let at = from - (from % 60); at < 24 * 60; at += 60) {
    if (!hour.values.has(at / 60)) continue
    const found = minutesOf(minute, at).find((each) => each >= from)
    if (found !== undefined) return found
  }
  return undefined
}

function minutesOf(minute: CronField, hourMinute: number): readonly number[] {
  return [...minute.values].sort((a, b) => a - b).map((each) => hourMinute + each)
}

function isDay(cron: Cron, date: Date): boolean {
  if (!cron.month.values.has(date.getUTCMonth() + 1)) return false
  const isDate = cron.day.values.has(date.getUTCDate())
  const isWeekday = cron.weekday.values.has(date.getUTCDay())
  return byEither(cron) ? isDate || isWeekday : isDate && isWeekday
}

function byEither({ day, weekday }: Cron): boolean {
  return !day.hasStar && !weekday.hasStar
}

function parse(text: string): Parsed {
  if (text.length > CRON_CHARACTERS_MAX) {
    return problem(`is too long: at most ${CRON_CHARACTERS_MAX} characters are allowed`)
  }
  if (text.startsWith('@')) return problem('is a short form: write five fields, as in 17 3 * * *')
  const words = text.trim().split(/[ \t]+/)
  if (words.length !== FIELDS.length) {
    return problem(
      `has ${words.length} fields: write minute, hour, day, month and weekday, as in 17 3 * * 1-5`
    )
  }
  const fields: Partial<Record<FieldName, CronField>> = {}
  for (const [index, field] of FIELDS.entries()) {
    const parsed = parseField(field, words[index] ?? '')
    if (parsed.kind === 'problem') return parsed
    fields[field.name] = parsed.field
  }
  const cron = fields as Cron
  if (!canCome(cron)) return problem('never comes: no month that it names has such a day')
  return { kind: 'cron', cron }
}

function canCome(cron: Cron): boolean {
  if (byEither(cron)) return true
  return [...cron.month.values].some((month) =>
    [...cron.day.values].some((day) => day <= (MONTH_DAYS[month - 1] ?? 0))
  )
}

function problem(text: string): Parsed {
  return { kind: 'problem', text }
}

function bug(problemText: string): MeshError {
  return new MeshError('BUG', { problem: problemText })
}
