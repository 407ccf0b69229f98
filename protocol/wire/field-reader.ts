import { CHARACTER_BYTES_MAX, count, line, lineOrNone, refuse, text } from './fields.ts'
import { knownPeers, knownRegisters } from './known-ids.ts'
import type { Numbered } from './numbered.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const NONE = new Uint8Array(0)
/** Groups of seven bits in the longest number. */
const GROUPS_MAX = 8
/** Bytes of a run's id; a job's has more. */
const RUN_ID_BYTES = 26
const LENGTH_DELIMITED = 2

/**
 * Reads the fields of a proto3 message into what we make of them, in the order of their numbers and
 * in their one spelling. `field` is a number below 16, so that every tag is one byte; `name` is for
 * people. A field that is absent, and not `optional`, is its default. All throw a Refusal.
 */
export class FieldReader {
  readonly #source: Uint8Array
  /** The same memory. */
  readonly #bytes: Buffer
  #at = 0
  /** Of the message that is being read: nothing reads past it. */
  #end: number

  constructor(bytes: Uint8Array) {
    this.#source = bytes
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#end = bytes.length
  }

  /** All that is here, by `read`. */
  whole<T>(read: (reader: FieldReader) => T): T {
    const value = read(this)
    // What is left is out of order, twice there, one too many of a choice, or unknown.
    if (this.#at !== this.#end) refuse('message', 'is spelled another way')
    return value
  }

  /** Whether this field comes next, with a length before it. */
  isNext(field: number): boolean {
    return this.#isAt(tagOf(field))
  }

  message<T>(field: number, name: string, read: (reader: FieldReader) => T): T {
    return this.optionalMessage(field, name, read) ?? refuse(name, 'is missing')
  }

  optionalMessage<T>(field: number, name: string, read: (reader: FieldReader) => T): T | undefined {
    return this.#take(tagOf(field)) ? this.#inner(name, read) : undefined
  }

  list<T>(field: number, name: string, max: number, read: (reader: FieldReader) => T): T[] {
    const items: T[] = []
    const tag = tagOf(field)
    while (this.#take(tag)) {
      if (items.length >= max) refuse(name, `has more than ${max} entries`)
      items.push(this.#inner(name, read))
    }
    return items
  }

  /** A whole number from `min` to `max`. */
  count(field: number, name: string, max?: number, min?: number): number {
    const value = this.#take(field << 3) ? this.#number(name, false) : 0
    return count(value, name, max, min)
  }

  optionalCount(field: number, name: string, max?: number, min?: number): number | undefined {
    return this.#take(field << 3) ? count(this.#number(name, true), name, max, min) : undefined
  }

  flag(field: number, name: string): boolean {
    return this.count(field, name, 1) === 1
  }

  name<Name extends string>(field: number, names: Numbered<Name>): Name {
    return names.nameOf(this.count(field, names.field))
  }

  optionalName<Name extends string>(field: number, names: Numbered<Name>): Name | undefined {
    const number = this.optionalCount(field, names.field)
    return number === undefined ? undefined : names.nameOf(number)
  }

  /** Raw bytes as lower-case hex. */
  hex(field: number, name: string, size: number): string {
    const length = this.#lengthOf(field, name)
    if (length !== size) refuse(name, `has ${length} bytes instead of ${size}`)
    return this.#hex(length)
  }

  hexOrNone(field: number, name: string, size: number): string {
    const length = this.#lengthOf(field, name)
    if (length === 0) return ''
    if (length !== size) refuse(name, `has ${length} bytes instead of ${size}`)
    return this.#hex(length)
  }

  /** Of any size. */
  someHex(field: number, name: string): string {
    return this.#hex(this.#lengthOf(field, name))
  }

  /** Each of the ids below is one string, however often it is read. */
  peerId(field: number, name: string): string {
    const from = this.#skip(this.#lengthOf(field, name))
    return knownPeers.read(this.#bytes, from, this.#at) ?? refuse(name, 'is not an Ed25519 peer id')
  }

  peerIdOrNone(field: number, name: string): string {
    return this.isNext(field) ? this.peerId(field, name) : ''
  }

  /** A run's or a job's id. */
  register(field: number, name: string): string {
    const from = this.#skip(this.#lengthOf(field, name))
    return (
      knownRegisters.read(this.#bytes, from, this.#at) ?? refuse(name, 'is not a run or job id')
    )
  }

  jobId(field: number, name: string): string {
    const id = this.register(field, name)
    return id.length > RUN_ID_BYTES ? id : refuse(name, 'is not a job id')
  }

  runId(field: number, name: string): string {
    const id = this.register(field, name)
    return id.length === RUN_ID_BYTES ? id : refuse(name, 'is not a run id')
  }

  /** Well-formed Unicode of at most `max` bytes. */
  textBytes(field: number, name: string, max: number): string {
    return this.#text(this.#lengthOf(field, name), name, max)
  }

  /** As `textBytes`, limited in characters. */
  text(field: number, name: string, max: number): string {
    return text(this.textBytes(field, name, max * CHARACTER_BYTES_MAX), max, name)
  }

  optionalText(field: number, name: string, max: number): string | undefined {
    if (!this.#take(tagOf(field))) return undefined
    const length = this.#length(name, true)
    return text(this.#text(length, name, max * CHARACTER_BYTES_MAX), max, name)
  }

  /** One line of at most `max` characters, not empty. */
  line(field: number, name: string, max: number): string {
    return line(this.textBytes(field, name, max * CHARACTER_BYTES_MAX), max, name)
  }

  lineOrNone(field: number, name: string, max: number): string {
    return lineOrNone(this.textBytes(field, name, max * CHARACTER_BYTES_MAX), max, name)
  }

  optionalLine(field: number, name: string, max: number): string | undefined {
    return this.isNext(field) ? this.line(field, name, max) : undefined
  }
  /** In the bytes of the message: to be copied before they are used again. */
  bytes(field: number, name: string): Uint8Array {
    return this.#take(tagOf(field)) ? this.#view(this.#length(name, false)) : NONE
  }

  optionalBytes(field: number, name: string): Uint8Array | undefined {
    return this.#take(tagOf(field)) ? this.#view(this.#length(name, true)) : undefined
  }

  /** True, and past it, where this tag comes next. */
  #take(tag: number): boolean {
    if (!this.#isAt(tag)) return false
    this.#at += tag < 0x80 ? 1 : 2
    return true
  }

  /** The tags of fields from 16 on have two bytes. */
  #isAt(tag: number): boolean {
    const at = this.#at
    if (tag < 0x80) return at < this.#end && this.#bytes[at] === tag
    const low = (tag & 0x7f) | 0x80
    return at + 1 < this.#end && this.#bytes[at] === low && this.#bytes[at + 1] === tag >> 7
  }

  #inner<T>(name: string, read: (reader: FieldReader) => T): T {
    const length = this.#length(name, true)
    const outer = this.#end
    this.#end = this.#at + length
    const value = this.whole(read)
    this.#end = outer
    return value
  }

  /** In as few bytes as it takes; 0 only where that `isSpelled`. */
  #number(name: string, isSpelled: boolean): number {
    let value = 0
    let unit = 1
    for (let group = 0; group < GROUPS_MAX && this.#at < this.#end; group += 1) {
      const byte = this.#bytes[this.#at] as number
      this.#at += 1
      value += (byte & 0x7f) * unit
      unit *= 0x80
      if (byte >= 0x80) continue
      if (byte === 0 && (group > 0 || !isSpelled)) refuse(name, 'is spelled another way')
      return value
    }
    return refuse(name, 'is cut short, or too long')
  }

  /** Of what follows; 0 where the field is absent. */
  #lengthOf(field: number, name: string): number {
    return this.#take(tagOf(field)) ? this.#length(name, false) : 0
  }

  #length(name: string, isSpelled: boolean): number {
    const length = this.#number(name, isSpelled)
    return length > this.#end - this.#at ? refuse(name, 'is cut short') : length
  }

  /** Where those bytes begin. */
  #skip(length: number): number {
    const from = this.#at
    this.#at += length
    return from
  }

  #hex(length: number): string {
    const from = this.#skip(length)
    return this.#bytes.toString('hex', from, this.#at)
  }

  #text(length: number, name: string, max: number): string {
    if (length > max) refuse(name, `has ${length} bytes, at most ${max} are allowed`)
    const from = this.#skip(length)
    for (let at = from; at < this.#at; at += 1) {
      // Native code for long texts costs more to call than this loop takes for most.
      if ((this.#bytes[at] as number) >= 0x80) {
        return UTF8.decode(this.#bytes.subarray(from, this.#at))
      }
    }
    return this.#bytes.toString('latin1', from, this.#at)
  }

  #view(length: number): Uint8Array {
    const from = this.#skip(length)
    return this.#source.subarray(from, this.#at)
  }
}

/** Of a field with a length before it. */
function tagOf(field: number): number {
  return (field << 3) | LENGTH_DELIMITED
}
