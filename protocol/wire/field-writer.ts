import { count, line, lineOrNone, refuse, text, textBytes } from './fields.ts'
import { knownPeers, knownRegisters } from './known-ids.ts'
import type { Numbered } from './numbered.ts'

/** Bytes of the buffer that messages are written in; a larger one is made when needed. */
const BUFFER_BYTES = 65_536
const LENGTH_DELIMITED = 2
/** Bytes of a run's id; a job's has more. */
const RUN_ID_BYTES = 26

/** By character code; -1 for what is no lower-case hex digit: upper case would be a second name. */
const DIGITS = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 16; digit += 1) DIGITS[digit.toString(16).charCodeAt(0)] = digit

/**
 * Writes what `FieldReader` reads, by the same names, and refuses what that would refuse. From the
 * end of a message to its start, so its last field first: the length before a message is known by
 * then, and nothing is measured.
 */
export class FieldWriter {
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #at = BUFFER_BYTES

  /** A copy of the bytes of a message. One may be asked for while another is written. */
  whole<T>(message: T, write: (writer: FieldWriter, message: T) => void): Buffer {
    const before = this.#written
    try {
      write(this, message)
      const length = this.#written - before
      const bytes = Buffer.allocUnsafe(length)
      this.#buffer.copy(bytes, 0, this.#at, this.#at + length)
      return bytes
    } finally {
      this.#at = this.#buffer.length - before
      // One that grew for a large message would stay large.
      if (before === 0 && this.#buffer.length > BUFFER_BYTES) this.#renew()
    }
  }

  message<T>(field: number, message: T, write: (writer: FieldWriter, message: T) => void): void {
    const end = this.#written
    write(this, message)
    this.#head(field, this.#written - end)
  }

  optionalMessage<T>(
    field: number,
    message: T | undefined,
    write: (writer: FieldWriter, message: T) => void
  ): void {
    if (message !== undefined) this.message(field, message, write)
  }

  list<T>(
    field: number,
    name: string,
    max: number,
    items: readonly T[],
    write: (writer: FieldWriter, item: T) => void
  ): void {
    const { length } = items
    // Not `>`: what has no length is no list.
    if (!(length <= max)) refuse(name, `has ${length} entries, at most ${max} are allowed`)
    for (let at = length - 1; at >= 0; at -= 1) this.message(field, items[at] as T, write)
  }

  /** A whole number from `min` to `max`. */
  count(field: number, name: string, value: number, max?: number, min?: number): void {
    if (count(value, name, max, min) === 0) return
    this.#number(value)
    this.#tag(field << 3)
  }

  optionalCount(
    field: number,
    name: string,
    value: number | undefined,
    max?: number,
    min?: number
  ): void {
    if (value === undefined) return
    this.#number(count(value, name, max, min))
    this.#tag(field << 3)
  }

  flag(field: number, name: string, value: boolean): void {
    this.count(field, name, value ? 1 : 0)
  }

  name<Name extends string>(field: number, value: Name, names: Numbered<Name>): void {
    this.#number(names.numberOf(value))
    this.#tag(field << 3)
  }

  optionalName<Name extends string>(
    field: number,
    value: Name | undefined,
    names: Numbered<Name>
  ): void {
    if (value !== undefined) this.name(field, value, names)
  }

  /** Lower-case hex as raw bytes. */
  hex(field: number, name: string, hex: string, size: number): void {
    if (hex.length !== size * 2) refuse(name, `is not ${size * 2} hex digits`)
    this.#hex(hex, name)
    this.#head(field, size)
  }

  hexOrNone(field: number, name: string, hex: string, size: number): void {
    if (hex !== '') this.hex(field, name, hex, size)
  }

  peerId(field: number, name: string, id: string): void {
    this.#bytes(field, knownPeers.bytesOf(id) ?? refuse(name, 'is not an Ed25519 peer id'))
  }

  peerIdOrNone(field: number, name: string, id: string): void {
    if (id !== '') this.peerId(field, name, id)
  }

  /** A run's or a job's id. */
  register(field: number, name: string, id: string): void {
    this.#bytes(field, knownRegisters.bytesOf(id) ?? refuse(name, 'is not a run or job id'))
  }

  jobId(field: number, name: string, id: string): void {
    if (id.length <= RUN_ID_BYTES) refuse(name, 'is not a job id')
    this.register(field, name, id)
  }

  runId(field: number, name: string, id: string): void {
    if (id.length !== RUN_ID_BYTES) refuse(name, 'is not a run id')
    this.register(field, name, id)
  }

  /** Well-formed Unicode of at most `max` bytes. */
  textBytes(field: number, name: string, value: string, max: number): void {
    if (textBytes(value, max, name) !== '') this.#text(field, value)
  }

  /** As `textBytes`, limited in characters. */
  text(field: number, name: string, value: string, max: number): void {
    if (text(value, max, name) !== '') this.#text(field, value)
  }

  optionalText(field: number, name: string, value: string | undefined, max: number): void {
    if (value !== undefined) this.#text(field, text(value, max, name))
  }

  /** One line of at most `max` characters, not empty. */
  line(field: number, name: string, value: string, max: number): void {
    this.#text(field, line(value, max, name))
  }

  lineOrNone(field: number, name: string, value: string, max: number): void {
    if (lineOrNone(value, max, name) !== '') this.#text(field, value)
  }

  optionalLine(field: number, name: string, value: string | undefined, max: number): void {
    if (value !== undefined) this.line(field, name, value, max)
  }

  bytes(field: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#bytes(field, bytes)
  }

  optionalBytes(field: number, name: string, bytes: Uint8Array | undefined, max: number): void {
    if (bytes === undefined) return
    if (bytes.length > max) refuse(name, `has ${bytes.length} bytes, at most ${max} are allowed`)
    this.#bytes(field, bytes)
  }

  get #written(): number {
    return this.#buffer.length - this.#at
  }

  #bytes(field: number, bytes: Uint8Array): void {
    // First: it may make another buffer.
    const at = this.#room(bytes.length)
    this.#buffer.set(bytes, at)
    this.#head(field, bytes.length)
  }

  #text(field: number, text: string): void {
    const length = Buffer.byteLength(text)
    const at = this.#room(length)
    this.#buffer.write(text, at, length, 'utf8')
    this.#head(field, length)
  }

  #hex(hex: string, name: string): void {
    let at = this.#room(hex.length / 2)
    const buffer = this.#buffer
    let seen = 0
    for (let index = 0; index < hex.length; index += 2) {
      const high = hex.charCodeAt(index)
      const low = hex.charCodeAt(index + 1)
      const byte = ((DIGITS[high] as number) << 4) | (DIGITS[low] as number)
      seen |= byte | high | low
      buffer[at] = byte
      at += 1
    }
    // Higher bits are those of a -1, or of a character that the table does not have.
    if ((seen & ~0xff) !== 0) refuse(name, 'is not lower-case hex digits')
  }

  /** Before what has a length. */
  #head(field: number, length: number): void {
    if (length >= 0x80) this.#number(length)
    else this.#byte(length)
    this.#tag((field << 3) | LENGTH_DELIMITED)
  }

  /** Of fields from 16 on it has two bytes. */
  #tag(tag: number): void {
    if (tag >= 0x80) this.#number(tag)
    else this.#byte(tag)
  }

  /** Least significant group of seven bits first, in as few bytes as it takes. */
  #number(value: number): void {
    let size = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
    let at = this.#room(size)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[at] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
      at += 1
    }
    this.#buffer[at] = rest
  }

  #byte(byte: number): void {
    const at = this.#room(1)
    this.#buffer[at] = byte
  }

  #room(bytes: number): number {
    if (bytes > this.#at) this.#grow(bytes)
    this.#at -= bytes
    return this.#at
  }

  #grow(bytes: number): void {
    const written = this.#written
    const grown = Buffer.allocUnsafeSlow((written + bytes) * 2)
    this.#buffer.copy(grown, grown.length - written, this.#at)
    this.#buffer = grown
    this.#at = grown.length - written
  }

  #renew(): void {
    this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
    this.#at = BUFFER_BYTES
  }
}
