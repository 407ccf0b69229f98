/*
 * Aho and Corasick, "Efficient string matching" (1975), over bytes. States are numbered by depth,
 * so that those near the root, where a text is nearly always, come first and get a whole row of a
 * table; deeper ones have lists of their few children and a link to their longest suffix.
 */

/** States with a row of 256 entries: 4 MiB. What is deeper is only reached inside a near match. */
const ROWS_MAX = 4_096

export interface Automaton {
  /** The state after `byte`; 0 is the first. */
  next(state: number, byte: number): number
  /** Rows of `next` for the states below `rowCount`, for loops that cannot afford a call. */
  readonly rows: Int32Array
  readonly rowCount: number
  /** By state: bytes of the longest pattern that ends here; 0 where none does. */
  readonly ends: Int32Array
  /** By state: bytes behind us that a pattern may still begin with. */
  readonly depths: Int32Array
}

interface Trie {
  readonly size: number
  readonly child: Int32Array
  readonly sibling: Int32Array
  readonly byte: Uint8Array
  readonly depths: Int32Array
  readonly ends: Int32Array
}

export function automatonOf(patterns: readonly Uint8Array[]): Automaton {
  const trie = byDepth(trieOf(patterns))
  const { size, child, sibling, byte, depths, ends } = trie
  const fail = new Int32Array(size)
  const rowCount = Math.min(size, ROWS_MAX)
  const rows = new Int32Array(rowCount * 256)
  const next = (state: number, wanted: number): number => {
    let from = state
    while (from >= rowCount) {
      const found = childOf(trie, from, wanted)
      if (found !== 0) return found
      from = fail[from] ?? 0
    }
    return rows[from * 256 + wanted] ?? 0
  }
  const link = (state: number, suffix: number): void => {
    ends[state] = Math.max(ends[state] ?? 0, ends[suffix] ?? 0)
    const isRow = state < rowCount
    // A row is that of its suffix, which is complete by now, but for its own children.
    if (isRow) rows.copyWithin(state * 256, suffix * 256, suffix * 256 + 256)
    for (let each = child[state] ?? 0; each !== 0; each = sibling[each] ?? 0) {
      const label = byte[each] ?? 0
      fail[each] = state === 0 ? 0 : next(suffix, label)
      if (isRow) rows[state * 256 + label] = each
    }
  }
  for (let state = 0; state < size; state += 1) link(state, fail[state] ?? 0)
  return { next, rows, rowCount, ends, depths }
}

/** 0 where there is none: the first state is nobody's child. */
function childOf({ child, sibling, byte }: Trie, state: number, wanted: number): number {
  let found = child[state] ?? 0
  while (found !== 0 && byte[found] !== wanted) found = sibling[found] ?? 0
  return found
}

function trieOf(patterns: readonly Uint8Array[]): Trie {
  const most = patterns.reduce((sum, { length }) => sum + length, 1)
  const numbers = (): Int32Array => new Int32Array(most)
  const [child, sibling, depths, ends] = [numbers(), numbers(), numbers(), numbers()]
  const trie = { size: 1, child, sibling, byte: new Uint8Array(most), depths, ends }
  for (const pattern of patterns) {
    let state = 0
    for (const wanted of pattern)
      state = childOf(trie, state, wanted) || addChild(trie, state, wanted)
    if (state !== 0) ends[state] = pattern.length
  }
  return trie
}

function addChild(trie: Trie & { size: number }, state: number, byte: number): number {
  const { size, child } = trie
  trie.size += 1
  trie.byte[size] = byte
  trie.depths[size] = (trie.depths[state] ?? 0) + 1
  trie.sibling[size] = child[state] ?? 0
  child[state] = size
  return size
}

/** The same trie with its states numbered in order of depth. */
function byDepth(trie: Trie): Trie {
  const { size } = trie
  const order = new Int32Array(size)
  const renamed = new Int32Array(size)
  let count = 1
  for (let at = 0; at < count; at += 1) {
    let each = trie.child[order[at] ?? 0] ?? 0
    for (; each !== 0; each = trie.sibling[each] ?? 0) {
      order[count] = each
      renamed[each] = count
      count += 1
    }
  }
  const links = (from: Int32Array): Int32Array => order.map((old) => renamed[from[old] ?? 0] ?? 0)
  return {
    size,
    child: links(trie.child),
    sibling: links(trie.sibling),
    byte: Uint8Array.from(order, (old) => trie.byte[old] ?? 0),
    depths: order.map((old) => trie.depths[old] ?? 0),
    ends: order.map((old) => trie.ends[old] ?? 0)
  }
}
