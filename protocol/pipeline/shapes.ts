import { z } from 'zod'
import type { Quantity } from './quantity.ts'
import type { Check } from './text.ts'

/* What all maps of a pipeline file are made of. */

export function text(check: Check) {
  return z.string().superRefine((value, context) => {
    const message = check(value)
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: value })
  })
}

export function quantity(parse: (input: unknown) => Quantity) {
  return z.unknown().transform((input, context) => {
    const parsed = parse(input)
    if (parsed.kind === 'value') return parsed.value
    context.issues.push({ code: 'custom', input, message: parsed.text })
    return z.NEVER
  })
}

export function names<Value extends z.ZodType>(key: z.ZodString, value: Value, max: number) {
  return z.record(key, value).refine((entries) => Object.keys(entries).length <= max, {
    message: `has too many entries: at most ${max} are allowed`
  })
}
