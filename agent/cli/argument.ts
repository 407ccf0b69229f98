import { InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { MeshError } from '../../protocol/core/errors.ts'

/** A whole number from 1 on, as an option's value. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new InvalidArgumentError('Use a whole number from 1 on.')
}

/** The value of an option as its schema wants it. Throws USAGE naming the option. */
export function checked<S extends z.ZodType>(option: string, schema: S, value: unknown) {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new MeshError('USAGE', { problem: `${option} ${String(value)}: ${issue?.message}` })
}
