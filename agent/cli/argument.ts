import { InvalidArgumentError } from 'commander'
import { z } from 'zod'
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

/** Any text that is not empty and not too long. */
export function textUpTo(max: number): z.ZodString {
  const problem = `use 1 to ${max} characters`
  return z.string().min(1, problem).max(max, problem)
}

/** The failure domain of a witness, as a roster takes it. */
export const zoneSchema = textUpTo(NAME_CHARACTERS_MAX)

/** The text of an option as its schema wants it. Throws USAGE naming the option and what fits. */
export function checked<S extends z.ZodType>(option: string, schema: S, text: string) {
  const result = schema.safeParse(text)
  if (result.success) return result.data
  throw new MeshError('USAGE', { problem: `${option} ${text}: ${whatFits(result.error)}` })
}

function whatFits(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue?.code !== 'invalid_value') return issue?.message ?? 'it is refused'
  const values = issue.values.map(String)
  return `use ${[values.slice(0, -1).join(', '), ...values.slice(-1)].filter(Boolean).join(' or ')}`
}
