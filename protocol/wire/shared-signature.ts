import { SIGNED_TOGETHER_MAX } from '../core/signature-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { HASH_BYTES, refuse, SIGNATURE_BYTES } from './fields.ts'
import { type MeshKey, sign } from './keys.ts'
import { sha256, statement } from './statement.ts'

/*
 * The signature of an op, a proposal or an announcement: 64 bytes over its statement; or, where
 * several were signed at once, 64 bytes over the root of a tree of their statements, one byte with
 * the place of this one in it, and the hash beside the way at each level, from the leaf up. Either
 * is checked with nothing but the statement. Statements of unlike kinds differ by their domains.
 */

const BATCH = 'runner-mesh.op-batch.v1'
/** Bytes before the hashes of a shared signature. */
const HEAD_BYTES = SIGNATURE_BYTES + 1
const DEPTH_MAX = Math.log2(SIGNED_TOGETHER_MAX)
/** A leaf and a knot of the same bytes must not have one hash: one would prove the other. */
const LEAF = Uint8Array.of(0)
/** Of the knot that is being hashed: its sign, and the two hashes below it. */
const KNOT = Buffer.alloc(1 + 2 * HASH_BYTES, 1)
/** Fills a tree up; no statement has this hash. */
const EMPTY = Buffer.alloc(HASH_BYTES)

/** Statement and signature, 128 hex digits, that hold where the shared one does. */
export interface Signed {
  readonly message: Uint8Array
  readonly signature: string
}

/** Signs at most SIGNED_TOGETHER_MAX statements by one signature; each gets its own proof. */
export function signTogether(key: MeshKey, statements: readonly Uint8Array[]): readonly string[] {
  const [first, ...others] = statements
  if (first !== undefined && others.length === 0) return [sign(key, first).toString('hex')]
  const levels = levelsOf(statements.map(leafOf))
  const [root] = levels.at(-1) ?? []
  const signature = sign(key, rootStatement(levels.length - 1, root ?? EMPTY))
  return statements.map((_, place) => {
    const path = levels.slice(0, -1).map((level, height) => level[(place >> height) ^ 1] ?? EMPTY)
    return Buffer.concat([signature, Uint8Array.of(place), ...path]).toString('hex')
  })
}

/** What must be verified for `signature`, as hex, to be that of `message`; undefined for no form. */
export function signedBy(message: Uint8Array, signature: string): Signed | undefined {
  const bytes = Buffer.from(signature, 'hex')
  if (bytes.length * 2 !== signature.length) return undefined
  if (bytes.length === SIGNATURE_BYTES) return { message, signature }
  const depth = depthOf(bytes.length)
  const place = bytes[SIGNATURE_BYTES] ?? 0
  // Otherwise one statement would have several signatures, by bits that nobody reads.
  if (depth === undefined || place >= 2 ** depth) return undefined
  let hash = leafOf(message)
  for (let height = 0; height < depth; height += 1) {
    const at = HEAD_BYTES + height * HASH_BYTES
    const beside = bytes.subarray(at, at + HASH_BYTES)
    const isRight = ((place >> height) & 1) === 1
    hash = isRight ? knotOf(beside, hash) : knotOf(hash, beside)
  }
  const root = bytes.subarray(0, SIGNATURE_BYTES).toString('hex')
  return { message: rootStatement(depth, hash), signature: root }
}

/** Throws a Refusal for hex digits that are no signature's. */
export function writeSignature(
  writer: FieldWriter,
  field: number,
  name: string,
  sig: string
): void {
  const size = sig.length / 2
  checkSize(name, size)
  writer.hex(field, name, sig, size)
}

export function readSignature(reader: FieldReader, field: number, name: string): string {
  const sig = reader.someHex(field, name)
  checkSize(name, sig.length / 2)
  return sig
}

function checkSize(name: string, size: number): void {
  if (!isSignatureSize(size)) refuse(name, `has ${size} bytes`)
}

export function isSignatureSize(bytes: number): boolean {
  return bytes === SIGNATURE_BYTES || depthOf(bytes) !== undefined
}

/** Levels above the leaves of a shared signature of that many bytes. */
function depthOf(size: number): number | undefined {
  const depth = (size - HEAD_BYTES) / HASH_BYTES
  return Number.isInteger(depth) && depth >= 1 && depth <= DEPTH_MAX ? depth : undefined
}

/** From the leaves, filled up to a power of two, to the root. */
function levelsOf(leaves: readonly Buffer[]): readonly (readonly Buffer[])[] {
  const width = 2 ** Math.ceil(Math.log2(leaves.length))
  let level: readonly Buffer[] = Array.from({ length: width }, (_, at) => leaves[at] ?? EMPTY)
  const levels = [level]
  while (level.length > 1) {
    const below = level
    level = Array.from({ length: below.length / 2 }, (_, at) => {
      return knotOf(below[2 * at] ?? EMPTY, below[2 * at + 1] ?? EMPTY)
    })
    levels.push(level)
  }
  return levels
}

function leafOf(message: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF, message]))
}

function knotOf(left: Uint8Array, right: Uint8Array): Buffer {
  KNOT.set(left, 1)
  KNOT.set(right, 1 + HASH_BYTES)
  return sha256(KNOT)
}

function rootStatement(depth: number, root: Buffer): Uint8Array {
  return statement(BATCH, [depth, root.toString('hex')])
}
