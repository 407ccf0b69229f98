import { refuse } from './fields.ts'

/** Our words for the numbers of one enumeration of the wire. */
export interface Numbered<Name extends string> {
  /** For people. */
  readonly field: string
  numberOf(name: Name): number
  nameOf(number: number): Name
}

/**
 * `table` has the number of every name; one without a name, such as the 0 that an absent field
 * stands for, is refused.
 */
export function numbered<Name extends string>(
  field: string,
  table: Readonly<Record<Name, number>>
): Numbered<Name> {
  const numbers = new Map<string, number>(Object.entries<number>(table))
  const names: (Name | undefined)[] = []
  for (const [name, number] of numbers) names[number] = name as Name
  return {
    field,
    numberOf: (name) => numbers.get(name) ?? refuse(field, `is ${JSON.stringify(name)}`),
    nameOf: (number) => names[number] ?? refuse(field, `has no name for ${number}`)
  }
}
