import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'

const BASE_BYTES = 65_536
/** "Copy 64 KiB from the start of the base", in one byte. */
const COPY_BASE = 0x80
const BLOB = 3
const REF_DELTA = 7

/** A pack of some 200 bytes with a delta that unfolds to `bytes`, a multiple of 64 KiB. */
export function bombPack(bytes: number): Buffer {
  const base = Buffer.alloc(BASE_BYTES)
  const id = createHash('sha1').update(`blob ${BASE_BYTES}\0`).update(base).digest()
  const copies = Buffer.alloc(bytes / BASE_BYTES, COPY_BASE)
  const delta = Buffer.concat([count(BASE_BYTES), count(bytes), copies])
  const header = Buffer.alloc(12)
  header.write('PACK')
  header.writeUInt32BE(2, 4)
  header.writeUInt32BE(2, 8)
  const body = Buffer.concat([
    header,
    entryHead(BLOB, base.length),
    deflateSync(base),
    entryHead(REF_DELTA, delta.length),
    id,
    deflateSync(delta)
  ])
  return Buffer.concat([body, createHash('sha1').update(body).digest()])
}

/** Seven bits a byte, the lowest first. */
function count(value: number): Buffer {
  const low = value % 128
  const rest = Math.floor(value / 128)
  return rest === 0 ? Buffer.from([low]) : Buffer.concat([Buffer.from([low + 128]), count(rest)])
}

/** The type, and four bits of the length before seven more a byte. */
function entryHead(type: number, length: number): Buffer {
  const first = type * 16 + (length % 16)
  const rest = Math.floor(length / 16)
  return rest === 0
    ? Buffer.from([first])
    : Buffer.concat([Buffer.from([first + 128]), count(rest)])
}
