import type { Generated } from './codec.ts'
import type { Field, FieldKind, MessageTable } from './field-table.ts'
import { refuse } from './fields.ts'
import { TableReader } from './table-reader.ts'
import { TableWriter } from './table-writer.ts'

/*
 * Bytes of proto3 by tables instead of generated code, which takes several times as long, and whose
 * reading says nothing about whether there is another spelling: every message had to be written
 * again to know. This reads the one spelling only.
 */

type Fields = Record<string, unknown>
type Limits = Readonly<Record<string, unknown>>

const NONE = new Uint8Array(0)

/** As generated code; `decode` refuses every spelling that `encode` does not make. */
export function tableCodec<Wire>(table: MessageTable): Generated<Wire> {
  return {
    encode: (value) => {
      const writer = TableWriter.take()
      try {
        writeMessage(writer, table, value as Fields)
        return writer.bytes()
      } finally {
        writer.release()
      }
    },
    decode: (bytes, options) => {
      const reader = new TableReader(bytes)
      return readMessage(reader, table, bytes.length, options?.limits as Limits) as Wire
    }
  }
}

// From its end: the length before a message is known by then.
function writeMessage(writer: TableWriter, { fields }: MessageTable, value: Fields): void {
  for (let index = fields.length - 1; index >= 0; index -= 1) {
    const field = fields[index] as Field
    const content = value[field.name]
    if (content === undefined || content === null) continue
    if (field.presence !== 'repeated') writeField(writer, field, content)
    else {
      const items = content as readonly unknown[]
      for (let at = items.length - 1; at >= 0; at -= 1) writeField(writer, field, items[at])
    }
  }
}

function writeField(writer: TableWriter, { type, tag, presence }: Field, content: unknown): void {
  if (presence === 'implicit' && isDefault(type, content)) return
  switch (type.kind) {
    case 'uint':
      writer.number(content as number)
      break
    case 'bool':
      writer.number(content === true ? 1 : 0)
      break
    case 'enum': {
      const number = type.names.indexOf(content as string)
      if (number < 0) refuse('name', `is ${JSON.stringify(content)}`)
      writer.number(number)
      break
    }
    case 'string':
      writer.string(content as string)
      break
    case 'bytes':
      writer.blob(content as Uint8Array)
      break
    default: {
      const end = writer.written
      writeMessage(writer, type.table, content as Fields)
      writer.number(writer.written - end)
    }
  }
  writer.number(tag)
}

function readMessage(
  reader: TableReader,
  { fields, isChoice }: MessageTable,
  end: number,
  limits: Limits | undefined
): Fields {
  const value: Fields = {}
  for (const field of fields) {
    const { name, tag } = field
    if (field.presence === 'repeated') {
      value[name] = readAll(reader, field, end, limits)
    } else if (reader.take(tag, end)) {
      value[name] = readField(reader, field, end, limits?.[name] as Limits)
      if (isChoice) break
    } else if (field.presence === 'implicit') value[name] = defaultOf(field)
  }
  // What is left is out of order, twice there, one too many of a choice, or unknown.
  if (reader.at !== end) refuse('message', 'is spelled another way')
  return value
}

function readAll(
  reader: TableReader,
  field: Field,
  end: number,
  limits: Limits | undefined
): unknown[] {
  const items: unknown[] = []
  const max = limits?.[field.name] as number | undefined
  const inside = limits?.[`${field.name}$`] as Limits
  while (reader.take(field.tag, end)) {
    if (max !== undefined && items.length >= max) refuse(field.name, `has more than ${max} entries`)
    items.push(readField(reader, field, end, inside))
  }
  return items
}

function readField(
  reader: TableReader,
  { name, type, presence }: Field,
  end: number,
  limits: Limits | undefined
): unknown {
  const isSpelled = presence !== 'implicit'
  switch (type.kind) {
    case 'uint':
      return reader.number(end, type.max, isSpelled)
    case 'bool':
      return reader.number(end, 1, isSpelled) === 1
    case 'enum':
      return type.names[reader.number(end, type.names.length - 1, isSpelled)]
    case 'string':
      return reader.string(end, isSpelled)
    case 'bytes':
      return reader.blob(end, isSpelled)
    default: {
      const length = reader.number(end, end, true)
      if (length > end - reader.at) refuse(name, 'is cut short')
      return readMessage(reader, type.table, reader.at + length, limits)
    }
  }
}

function isDefault(type: FieldKind, content: unknown): boolean {
  return type.kind === 'bytes' ? (content as Uint8Array).length === 0 : content === firstOf(type)
}

function defaultOf({ type }: Field): unknown {
  return type.kind === 'bytes' ? NONE : firstOf(type)
}

function firstOf(type: FieldKind): unknown {
  switch (type.kind) {
    case 'uint':
      return 0
    case 'bool':
      return false
    case 'enum':
      return type.names[0]
    case 'string':
      return ''
    default:
      return undefined
  }
}
