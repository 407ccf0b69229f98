import type { TextDigest } from '../../protocol/core/ports.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import { warmedBy, warmImages, warmKeysOf } from '../../protocol/core/warmth.ts'

/**
 * What this host has at hand by the jobs that it ran, for the order of claims. An image that was
 * removed meanwhile costs a pull where another host had none: no more than if nobody had said it.
 */
export class Warmth {
  readonly #digest: TextDigest
  #keys: readonly string[] = []

  /** `images`: names that jobs had before this process began, the latest first. */
  constructor(digest: TextDigest, images: readonly string[] = []) {
    this.#digest = digest
    this.#keys = warmImages(images, digest)
  }

  get keys(): readonly string[] {
    return this.#keys
  }

  ran(spec: Pick<JobSpec, 'image' | 'services'>, repository: string): void {
    this.#keys = warmedBy(this.#keys, warmKeysOf(spec, repository, this.#digest))
  }
}
