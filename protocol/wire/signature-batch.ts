import { SIGNED_TOGETHER_MAX } from '../core/signature-limits.ts'
import type { MeshKey } from './keys.ts'
import { signTogether } from './shared-signature.ts'

interface Waiting {
  readonly statement: Uint8Array
  readonly resolve: (signature: string) => void
  readonly reject: (error: unknown) => void
}

const batches = new WeakMap<MeshKey, SignatureBatch>()

/**
 * What `key` signs in this process, all of one tick by one signature: it costs 45 us to make and
 * 110 to check at each witness, many times what an op or an announcement costs besides.
 */
export function signatureBatch(key: MeshKey): SignatureBatch {
  const known = batches.get(key)
  if (known !== undefined) return known
  const batch = new SignatureBatch(key)
  batches.set(key, batch)
  return batch
}

export class SignatureBatch {
  readonly #key: MeshKey
  #waiting: Waiting[] = []

  constructor(key: MeshKey) {
    this.#key = key
  }

  /** Resolves with the signature's hex digits, alone or shared, as `signedBy` reads them. */
  sign(statement: Uint8Array): Promise<string> {
    return new Promise((resolve, reject) => {
      // After all that this tick still asks for, and never by a timer, as frames leave.
      if (this.#waiting.length === 0) process.nextTick(() => this.#flush())
      this.#waiting.push({ statement, resolve, reject })
      if (this.#waiting.length === SIGNED_TOGETHER_MAX) this.#flush()
    })
  }

  #flush(): void {
    const batch = this.#waiting
    // A full one has left already.
    if (batch.length === 0) return
    this.#waiting = []
    try {
      const statements = batch.map(({ statement }) => statement)
      const signatures = signTogether(this.#key, statements)
      for (const [index, { resolve }] of batch.entries()) resolve(signatures[index] ?? '')
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
