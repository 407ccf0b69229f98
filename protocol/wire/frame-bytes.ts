import type { Generated } from './codec.ts'
import { plain, refuse } from './fields.ts'
import * as wire from './generated/frame.ts'

/*
 * The bytes of `frame.proto` by hand: every message goes through here twice, and generated code
 * takes several times as long for four fields.
 */

const ID = 0x08
const KIND = 0x10
const BODY = 0x1a
const CODE = 0x22
/** Bytes of the longest number: 32 bits in groups of seven. */
const NUMBER_BYTES_MAX = 5
const NUMBER_MAX = 0xff_ff_ff_ff

const KINDS: readonly wire.FrameKind[] = [
  wire.FrameKind.FRAME_KIND_UNSPECIFIED,
  wire.FrameKind.FRAME_KIND_REQUEST,
  wire.FrameKind.FRAME_KIND_RESPONSE,
  wire.FrameKind.FRAME_KIND_ERROR
]

/** As the generated code of `frame.proto`; `decode` refuses every other spelling of a frame. */
export const frameBytes: Generated<wire.Frame> = {
  encode: ({ id = 0, kind = wire.FrameKind.FRAME_KIND_UNSPECIFIED, body = NONE, code = '' }) => {
    const codeBytes = Buffer.from(code)
    const head = id === 0 ? [] : [ID, ...number(id)]
    const kindAt = KINDS.indexOf(kind)
    if (kindAt > 0) head.push(KIND, kindAt)
    if (body.length > 0) head.push(BODY, ...number(body.length))
    const tail = codeBytes.length > 0 ? [CODE, ...number(codeBytes.length), ...codeBytes] : []
    const bytes = new Uint8Array(head.length + body.length + tail.length)
    bytes.set(head)
    bytes.set(body, head.length)
    bytes.set(tail, head.length + body.length)
    return bytes
  },
  decode: (bytes) => {
    const cursor = new Cursor(bytes)
    const id = cursor.take(ID) ? cursor.number('id') : 0
    const kind = KINDS[cursor.take(KIND) ? cursor.number('kind') : 0]
    const body = cursor.take(BODY) ? cursor.bytes('body') : NONE
    const code = cursor.take(CODE) ? cursor.bytes('code') : NONE
    cursor.end()
    return { id, kind: kind ?? refuse('kind', 'is unknown'), body: plain(body), code: text(code) }
  }
}

const NONE = new Uint8Array(0)
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function text(bytes: Uint8Array): string {
  return bytes.length === 0 ? '' : UTF8.decode(bytes)
}

/** Least significant groups of seven bits first; never with a spare byte. */
function number(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

/** Reads fields in their order, each at most once, and none that holds what its absence says. */
class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** True, and past it, where this field comes next. */
  take(tag: number): boolean {
    if (this.#bytes[this.#at] !== tag) return false
    this.#at += 1
    return true
  }

  number(field: string): number {
    let value = 0
    for (let index = 0; index < NUMBER_BYTES_MAX; index += 1) {
      const byte = this.#bytes[this.#at] ?? refuse(field, 'is cut short')
      this.#at += 1
      value += (byte & 0x7f) * 2 ** (7 * index)
      if (byte >= 0x80) continue
      // 0 is said by absence; a last group of nothing would be a second spelling.
      if (byte === 0) refuse(field, 'is spelled another way')
      return value > NUMBER_MAX ? refuse(field, 'is too large') : value
    }
    return refuse(field, 'is too long')
  }

  bytes(field: string): Uint8Array {
    const length = this.number(field)
    if (length > this.#bytes.length - this.#at) refuse(field, 'is cut short')
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  end(): void {
    if (this.#at !== this.#bytes.length) refuse('frame', 'has more than its fields')
  }
}
