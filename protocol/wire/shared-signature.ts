import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { HASH_BYTES, refuse } from './fields.ts'
import { type MeshKey, sign } from './keys.ts'
import { isSignatureSize, type Proof } from './signature-proof.ts'
import { knotOf, leafOf } from './signed-tree.ts'
import { statement } from './statement.ts'

/*
 * The signature of an op, a proposal or an announcement: 64 bytes over its statement; or, where
 * several were signed at once, 64 bytes over the root of a tree of their statements, one byte with
 * the place of this one in it, and the hash beside the way at each level, from the leaf up. Either
 * is checked with nothing but the statement. Statements of unlike kinds differ by their domains.
 */

const BATCH = 'runner-mesh.op-batch.v1'
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

/** What must be verified for the proof to be one that `message` is signed. */
export function signedBy(message: Uint8Array, { root, depth, place, way }: Proof): Signed {
  if (depth === 0) return { message, signature: root }
  let hash = leafOf(message)
  for (let height = 0; height < depth; height += 1) {
    const beside = way.subarray(height * HASH_BYTES, (height + 1) * HASH_BYTES)
    const isRight = ((place >> height) & 1) === 1
    hash = isRight ? knotOf(beside, hash) : knotOf(hash, beside)
  }
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

function rootStatement(depth: number, root: Buffer): Uint8Array {
  return statement(BATCH, [depth, root.toString('hex')])
}
