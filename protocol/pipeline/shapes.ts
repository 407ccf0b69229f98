import { z } from 'zod'
import type { Quantity } from '../core/duration.ts'
import { FIELD_START, hasField } from './field.ts'
import type { Check } from './text.ts'

/* What all maps of a pipeline file are made of. */

/** What a JSON Schema may say of a value besides its type: as much of its check as it can. */
export type Described = Readonly<Record<string, unknown>>

/** In a JSON Schema: a text that has a field. */
const WITH_FIELD = { type: 'string', pattern: '\\$\\{\\{' }

/** Whose fields are filled in by now: texts as they stand in the file, or with all values. */
export type Filling = 'file' | 'filled'

/** A text that is taken as it is: fields in it would look as if they meant something. */
export function text(check: Check, described: Described = {}, noFields: string = NO_FIELDS) {
  return z
    .string()
    .superRefine((value, context) => {
      const message = hasField(value) ? noFields : check(value)
      if (message !== undefined) context.addIssue({ code: 'custom', message, input: value })
    })
    .meta({ not: WITH_FIELD, ...described })
}

const NO_FIELDS = `has \`${FIELD_START}\`, and nothing is filled in here: write the value itself`

/** A text that may have fields; what it says is known once they are filled in. */
export function fillable(filling: Filling, check: Check, described: Described = {}) {
  return z
    .string()
    .superRefine((value, context) => {
      if (filling === 'file' && hasField(value)) return
      const message = check(value)
      if (message !== undefined) context.addIssue({ code: 'custom', message, input: value })
    })
    .meta({ anyOf: [WITH_FIELD, described] })
}

export function quantity(parse: (input: unknown) => Quantity, described: Described) {
  return z
    .unknown()
    .transform((input, context) => {
      const parsed = parse(input)
      if (parsed.kind === 'value') return parsed.value
      context.issues.push({ code: 'custom', input, message: parsed.text })
      return z.NEVER
    })
    .meta({ ...described })
}

/** A whole number within these. */
export function whole(least: number, most: number) {
  return z
    .number()
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, {
      message: `is not allowed: write a whole number from ${least} to ${most}`
    })
    .meta({ type: 'integer', minimum: least, maximum: most })
}

export function names<Value extends z.ZodType>(key: z.ZodString, value: Value, max: number) {
  return z
    .record(key, value)
    .refine((entries) => Object.keys(entries).length <= max, {
      message: `has too many entries: at most ${max} are allowed`
    })
    .meta({ maxProperties: max })
}

/**
 * One of two forms, told apart by whether it is a map. Not a union: that would say of each mistake
 * only that it is neither of two things.
 */
export function either<Map extends z.ZodType, Other extends z.ZodType>(map: Map, other: Other) {
  return z
    .unknown()
    .transform((input, context): z.output<Map> | z.output<Other> => {
      const isMap = typeof input === 'object' && input !== null && !Array.isArray(input)
      const checked = (isMap ? map : other).safeParse(input)
      if (checked.success) return checked.data as z.output<Map> | z.output<Other>
      for (const issue of checked.error.issues) context.issues.push({ ...issue, input } as never)
      return z.NEVER
    })
    .meta({ anyOf: [jsonSchemaOf(map), jsonSchemaOf(other)] })
}

/** What JSON Schema can say of a part of the file. */
export function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _draft, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    // What editors know best.
    target: 'draft-7',
    unrepresentable: 'any'
  })
  return rest
}
