/*
 * Messages of proto3 as tables of their fields, for `table-codec.ts`. Field numbers are below 16, so
 * that every tag is one byte.
 */

export type FieldKind =
  | { readonly kind: 'uint'; readonly max: number }
  | { readonly kind: 'bool' }
  | { readonly kind: 'string' }
  | { readonly kind: 'bytes' }
  /** The names of an enumeration, by number from 0. */
  | { readonly kind: 'enum'; readonly names: readonly string[] }
  | { readonly kind: 'message'; readonly table: MessageTable }

export interface Field {
  readonly name: string
  readonly tag: number
  readonly type: FieldKind
  /**
   * `implicit`: absence says the default, which is never spelled. `optional`: absence is told from
   * the default. `repeated`: any number of times.
   */
  readonly presence: 'implicit' | 'optional' | 'repeated'
}

export interface MessageTable {
  /** By number, ascending: the order in which they are spelled. */
  readonly fields: readonly Field[]
  /** At most one of the fields is there. */
  readonly isChoice: boolean
}

interface Shape {
  readonly type: FieldKind
  readonly presence: Field['presence']
}

const LENGTH_DELIMITED = 2

export const uint32: Shape = implicit({ kind: 'uint', max: 0xff_ff_ff_ff })
export const uint64: Shape = implicit({ kind: 'uint', max: Number.MAX_SAFE_INTEGER })
export const bool: Shape = implicit({ kind: 'bool' })
export const string: Shape = implicit({ kind: 'string' })
export const bytes: Shape = implicit({ kind: 'bytes' })

/** `of` is the generated enumeration, whose names are in the order of their numbers, from 0. */
export function enumeration(of: Readonly<Record<string, unknown>>): Shape {
  const names = Object.values(of).filter((name) => typeof name === 'string')
  return implicit({ kind: 'enum', names })
}

/** A message within a message: absence is always told. */
export function inner(table: MessageTable): Shape {
  return { type: { kind: 'message', table }, presence: 'optional' }
}

export function maybe({ type }: Shape): Shape {
  return { type, presence: 'optional' }
}

export function repeated(table: MessageTable): Shape {
  return { type: { kind: 'message', table }, presence: 'repeated' }
}

/** Fields by name, numbered from 1 in this order. */
export function message(shapes: Readonly<Record<string, Shape>>): MessageTable {
  const fields = Object.entries(shapes).map(([name, { type, presence }], index): Field => {
    const isNumber = type.kind === 'uint' || type.kind === 'bool' || type.kind === 'enum'
    const tag = ((index + 1) << 3) | (isNumber ? 0 : LENGTH_DELIMITED)
    return { name, tag, type, presence }
  })
  return { fields, isChoice: false }
}

/** A message that is one of these, numbered from 1 in this order. */
export function choice(tables: Readonly<Record<string, MessageTable>>): MessageTable {
  const shapes = Object.entries(tables).map(([name, table]) => [name, inner(table)] as const)
  return { ...message(Object.fromEntries(shapes)), isChoice: true }
}

function implicit(type: FieldKind): Shape {
  return { type, presence: 'implicit' }
}
