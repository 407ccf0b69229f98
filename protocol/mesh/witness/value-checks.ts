import { VERIFIED_VALUES_MAX } from '../../core/limits.ts'
import type { RegisterValue } from '../../core/messages.ts'
import type { Digest, Verifier } from '../../core/ports.ts'
import { Lru } from '../bounds/lru.ts'

/** Signatures of values, verified once: an identity write-back or a repeat costs a hash only. */
export class ValueChecks {
  readonly #verifier: Verifier
  readonly #digest: Digest
  readonly #valid = new Lru<string, true>(VERIFIED_VALUES_MAX)

  constructor(parts: { readonly verifier: Verifier; readonly digest: Digest }) {
    this.#verifier = parts.verifier
    this.#digest = parts.digest
  }

  isSigned(value: RegisterValue): boolean {
    const hash = this.#digest.hash(value)
    if (this.#valid.get(hash) !== undefined) return true
    if (!this.#verifier.value(value)) return false
    this.#valid.set(hash, true)
    return true
  }
}
