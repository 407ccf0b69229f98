import { InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { parseDuration } from '../../protocol/core/duration.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { NAME_CHARACTERS_MAX } from '../../protocol/core/limits.ts'

/** A whole number from 1 on, as an option's value. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new InvalidArgumentError('Use a whole number from 1 on.')
}

/** A whole number from 1 to `max`, as an option's value. */
export function numberUpTo(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (Number.isSafeInteger(value) && value > 0 && value <= max) return value
    throw new InvalidArgumentError(`Use 1 to ${max}.`)
  }
}

/** The failure domain of a witness, as a roster takes it. */
export const zoneSchema = z.string().min(1).max(NAME_CHARACTERS_MAX)

/** The text of an option as its schema wants it. Throws USAGE naming the option and what fits. */
export function checked<S extends z.ZodType>(option: string, schema: S, text: string) {
  const result = schema.safeParse(text)
  if (result.success) return result.data
  throw new MeshError('USAGE', { problem: `${option} ${text}: ${whatFits(result.error)}` })
}

/** Milliseconds of `90s`, `30m` or `1h30m`. Throws USAGE naming the option and what fits. */
export function durationMs(option: string, text: string): number {
  const parsed = parseDuration(text)
  if (parsed.kind === 'value') return parsed.value
  throw new MeshError('USAGE', { problem: `${option} ${text}: ${parsed.text}` })
}

function whatFits(error: z.ZodError): string {
  const [issue] = error.issues
  switch (issue?.code) {
    case 'invalid_value':
      return `use ${either(issue.values.map(String))}`
    case 'too_big':
      return `use at most ${issue.maximum} characters`
    case 'too_small':
      return 'it must not be empty'
    default:
      return issue?.message ?? 'it is refused'
  }
}

function either(values: readonly string[]): string {
  const [last = ''] = values.slice(-1)
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} or ${last}`
}
