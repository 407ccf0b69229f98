import { FIND_CANDIDATES_MAX, SHORT_ID_CHARACTERS_MIN } from './limits.ts'
import { jobIdOf } from './run.ts'

/** Run ids in order, for prefixes: decision 18. */
export class ShortIds {
  readonly #sorted: string[] = []

  add(runId: string): void {
    const at = this.#position(runId)
    if (this.#sorted[at] !== runId) this.#sorted.splice(at, 0, runId)
  }

  remove(runId: string): void {
    const at = this.#position(runId)
    if (this.#sorted[at] === runId) this.#sorted.splice(at, 1)
  }

  /** The shortest prefix that names this run alone, at least SHORT_ID_CHARACTERS_MIN characters. */
  shorten(runId: string): string {
    const at = this.#position(runId)
    const after = this.#sorted[at] === runId ? at + 1 : at
    const shared = Math.max(
      sharedLength(runId, this.#sorted[at - 1] ?? ''),
      sharedLength(runId, this.#sorted[after] ?? '')
    )
    return runId.slice(0, Math.max(SHORT_ID_CHARACTERS_MIN, shared + 1))
  }

  /** Runs whose id starts with `prefix` as people type it, at most FIND_CANDIDATES_MAX. */
  match(prefix: string): readonly string[] {
    const wanted = readable(prefix)
    if (wanted.length < SHORT_ID_CHARACTERS_MIN) return []
    const found: string[] = []
    for (let at = this.#position(wanted); found.length < FIND_CANDIDATES_MAX; at += 1) {
      const runId = this.#sorted[at]
      if (runId?.startsWith(wanted) !== true) break
      found.push(runId)
    }
    return found
  }

  #position(runId: string): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#sorted[middle] ?? '') < runId) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A job as people name it, `7K3QF2.0`; without an index every job of the run is meant. */
export interface TypedId {
  readonly prefix: string
  readonly index: number | undefined
}

/** Undefined for text that names no job: a bad index or characters that no id has. */
export function readTypedId(text: string): TypedId | undefined {
  const match = /^([0-9A-Za-z]+)(?:\.([0-9]{1,3}))?$/.exec(text)
  if (match === null) return undefined
  const [, prefix = '', index] = match
  return { prefix, index: index === undefined ? undefined : Number(index) }
}

/** `7K3QF2.0` */
export function shortJobId(ids: ShortIds, runId: string, index: number): string {
  return jobIdOf(ids.shorten(runId), index)
}

// Crockford's alphabet has no I, L and O so that people may misread them.
function readable(prefix: string): string {
  return prefix.toUpperCase().replaceAll(/[IL]/g, '1').replaceAll('O', '0')
}

function sharedLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return length
}
