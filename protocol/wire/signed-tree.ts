import { HASH_BYTES } from './fields.ts'
import type { Proof } from './signature-proof.ts'
import { sha256 } from './statement.ts'

/** A leaf and a knot of the same bytes must not have one hash: one would prove the other. */
const LEAF = Uint8Array.of(0)
/** Of the knot that is being hashed: its sign, and the two hashes below it. */
const KNOT = Buffer.alloc(1 + 2 * HASH_BYTES, 1)
/** Numbers of nodes: 1 is the root, those below `n` are `2n` and `2n + 1`. */
const ROOT = 1

/**
 * What is proven of a tree of statements whose root is signed. A proof tells the hashes beside its
 * way as well, so that the next one has to be followed up to the first node known only: two hashes
 * for each statement, in place of one for each level.
 */
export class SignedTree {
  readonly #depth: number
  readonly #hashes: Buffer
  readonly #isKnown: Uint8Array

  /** Of a proof that was found good, by its signature. */
  constructor(message: Uint8Array, proof: Proof) {
    const nodes = 2 ** (proof.depth + 1)
    this.#depth = proof.depth
    this.#hashes = Buffer.alloc(nodes * HASH_BYTES)
    this.#isKnown = new Uint8Array(nodes)
    this.#learn(ROOT, this.#climb(message, proof, ROOT), proof)
  }

  /** True where the root proves it, too. False says nothing: then the signature must be asked. */
  holds(message: Uint8Array, proof: Proof): boolean {
    if (proof.depth !== this.#depth) return false
    let top = this.#leaf(proof)
    while (this.#isKnown[top] === 0) top >>= 1
    const ways = this.#climb(message, proof, top)
    if (!this.#is(top, ways.at(-1))) return false
    // Bits that nobody compares would give one statement several signatures.
    for (let node = top; node > ROOT; node >>= 1) {
      if (!this.#is(node ^ 1, this.#beside(proof, node))) return false
    }
    this.#learn(top, ways, proof)
    return true
  }

  #leaf({ place }: Proof): number {
    return 2 ** this.#depth + place
  }

  /** Hashes of the nodes from the leaf up to `top`. */
  #climb(message: Uint8Array, proof: Proof, top: number): readonly Buffer[] {
    let hash = leafOf(message)
    const hashes = [hash]
    for (let node = this.#leaf(proof); node > top; node >>= 1) {
      const beside = this.#beside(proof, node)
      hash = (node & 1) === 1 ? knotOf(beside, hash) : knotOf(hash, beside)
      hashes.push(hash)
    }
    return hashes
  }

  #learn(top: number, hashes: readonly Buffer[], proof: Proof): void {
    let node = this.#leaf(proof)
    for (const hash of hashes) {
      this.#note(node, hash)
      if (node > top) this.#note(node ^ 1, this.#beside(proof, node))
      node >>= 1
    }
  }

  #note(node: number, hash: Uint8Array): void {
    this.#hashes.set(hash, node * HASH_BYTES)
    this.#isKnown[node] = 1
  }

  #is(node: number, hash: Uint8Array | undefined): boolean {
    if (hash === undefined || this.#isKnown[node] === 0) return false
    const at = node * HASH_BYTES
    return this.#hashes.compare(hash, 0, HASH_BYTES, at, at + HASH_BYTES) === 0
  }

  /** What the proof says of the other node below the one above `node`. */
  #beside({ way }: Proof, node: number): Uint8Array {
    const height = this.#depth - (31 - Math.clz32(node))
    return way.subarray(height * HASH_BYTES, (height + 1) * HASH_BYTES)
  }
}

export function leafOf(message: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF, message]))
}

export function knotOf(left: Uint8Array, right: Uint8Array): Buffer {
  KNOT.set(left, 1)
  KNOT.set(right, 1 + HASH_BYTES)
  return sha256(KNOT)
}
