import { list, refuse } from './fields.ts'

export interface WirePair {
  key: string
  value: string
}

/** Checks one entry; throws a Refusal. */
export type PairCheck = (key: string, value: string) => void

/** A record as pairs in order of the keys' UTF-8 bytes: the one order that every language has. */
export function toPairs(
  record: Readonly<Record<string, string>>,
  max: number,
  field: string,
  check: PairCheck
): WirePair[] {
  const pairs = list(Object.entries(record), max, field, ([key, value]) => {
    check(key, value)
    return { key, value }
  })
  return pairs.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
}

/** Refuses keys that come twice or out of order: the same record would have two encodings. */
export function fromPairs(
  pairs: readonly WirePair[],
  max: number,
  field: string,
  check: PairCheck
): Readonly<Record<string, string>> {
  let last: Buffer | undefined
  const entries = list(pairs, max, field, ({ key, value }): [string, string] => {
    check(key, value)
    const bytes = Buffer.from(key)
    if (last !== undefined && Buffer.compare(last, bytes) >= 0) {
      refuse(field, `has ${JSON.stringify(key)} twice or out of order`)
    }
    last = bytes
    return [key, value]
  })
  // fromEntries and not assignment: `__proto__` must stay an ordinary key.
  return Object.fromEntries(entries)
}
