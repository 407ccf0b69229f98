import { createHash } from 'node:crypto'
import { FORGE_TAGGED_BYTES_MAX, FORGE_TAGS_MAX } from '../../protocol/core/forge-limits.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'

/** An answer that its forge has given a tag: asked with it, the forge says only `still so`. */
export interface TaggedAnswer {
  readonly tag: string
  readonly text: string
  readonly headers: readonly (readonly [string, string])[]
}

/** Kept in memory alone: after a start everything is asked for once in full. */
export class TaggedAnswers {
  readonly #answers = new Lru<string, TaggedAnswer>(FORGE_TAGS_MAX)

  get(url: string, authorization: Readonly<Record<string, string>>): TaggedAnswer | undefined {
    return this.#answers.get(keyOf(url, authorization))
  }

  keep(url: string, authorization: Readonly<Record<string, string>>, answer: TaggedAnswer): void {
    if (answer.text.length > FORGE_TAGGED_BYTES_MAX) return
    // What says how many pages there are; nothing else of them is asked of a kept answer.
    const headers = answer.headers.filter(([name]) => ['link', 'x-total-count'].includes(name))
    this.#answers.set(keyOf(url, authorization), { ...answer, headers })
  }
}

/** What one token may see is not shown for another; the hash, so that no token is kept as a key. */
function keyOf(url: string, authorization: Readonly<Record<string, string>>): string {
  const text = JSON.stringify([url, authorization])
  return createHash('sha256').update(text).digest('base64')
}
