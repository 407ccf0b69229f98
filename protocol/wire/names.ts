import { refuse } from './fields.ts'

/** Our words for the values of one enumeration of the wire. */
export interface Names<Domain extends string, Wire extends string> {
  toWire(name: Domain): Wire
  fromWire(value: Wire): Domain
}

/**
 * `table` lists every name; a value without one, such as the `UNSPECIFIED` that an absent field
 * decodes to, is refused.
 */
export function names<Domain extends string, Wire extends string>(
  field: string,
  table: Readonly<Record<Domain, Wire>>
): Names<Domain, Wire> {
  const forward = new Map<string, Wire>(Object.entries<Wire>(table))
  const back = new Map<string, Domain>()
  for (const [name, value] of forward) back.set(value, name as Domain)
  return {
    toWire: (name) => forward.get(name) ?? refuse(field, `is ${JSON.stringify(name)}`),
    fromWire: (value) => back.get(value) ?? refuse(field, `is ${JSON.stringify(value)}`)
  }
}
