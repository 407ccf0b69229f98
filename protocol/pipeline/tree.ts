import {
  type Alias,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Pair,
  type ParsedNode,
  type YAMLMap,
  type YAMLSeq
} from 'yaml'
import { YAML_ALIASES_MAX } from '../core/limits.ts'
import { PIPELINE_VALUES_MAX } from '../core/pipeline-limits.ts'
import type { Lines } from './lines.ts'
import { type Path, type Place, type Problem, quoted } from './problem.ts'

/** A file's content as plain values, with the way back from a path to its place. */
export interface Tree {
  readonly value: unknown
  /** Of the value; where the path ends early, of the deepest key that is there. */
  placeOf(path: Path): Place
  /** Of the last key of the path. */
  placeOfKey(path: Path): Place
  /** A number as it is written there; undefined for all else. */
  written(path: Path): string | undefined
}

/** A file that could be read, or why not. */
export type Reading =
  | { readonly kind: 'tree'; readonly tree: Tree }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }

/** Resolves aliases and refuses keys that a map of plain values cannot hold. */
export function readTree(root: ParsedNode, lines: Lines): Reading {
  const reader = new TreeReader(lines)
  const value = reader.read(root, [])
  if (reader.problems.length > 0) return { kind: 'problems', problems: reader.problems }
  const index = new KeyIndex()
  const find = (path: Path) => locate(root, path, reader.targets, index)
  const tree: Tree = {
    value,
    placeOf: (path) => lines.at(find(path).value),
    placeOfKey: (path) => lines.at(find(path).key),
    written: (path) => numberText(find(path).node, reader.targets)
  }
  return { kind: 'tree', tree }
}

interface Anchored {
  readonly node: unknown
  value: unknown
  /** Values in it, those behind aliases too. */
  size: number
  /** False while its own content is still read. */
  isWhole: boolean
}

class TreeReader {
  readonly problems: Problem[] = []
  /** What each alias stands for. */
  readonly targets = new Map<Alias, unknown>()
  /** Values read so far, as if all aliases were written out. */
  #size = 0
  #isOver = false
  readonly #anchors = new Map<string, Anchored>()
  readonly #lines: Lines

  constructor(lines: Lines) {
    this.#lines = lines
  }

  read(node: unknown, path: Path): unknown {
    if (isAlias(node)) return this.#alias(node, path)
    const before = this.#size
    this.#size += 1
    const anchored: Anchored = { node, value: undefined, size: 0, isWhole: false }
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined
    if (anchor !== undefined) this.#anchors.set(anchor, anchored)
    anchored.value = this.#content(node, path)
    anchored.size = this.#size - before
    anchored.isWhole = true
    return anchored.value
  }

  #content(node: unknown, path: Path): unknown {
    if (isScalar(node)) return node.value
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, index]))
    if (isMap(node)) return this.#map(node, path)
    return null
  }

  #map(map: YAMLMap, path: Path): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    for (const pair of map.items) {
      const key = this.#key(pair, value, path)
      if (key === undefined) continue
      value[key] = this.read(pair.value, [...path, key])
    }
    return value
  }

  #key(pair: Pair, seen: Record<string, unknown>, path: Path): string | undefined {
    const { key } = pair
    const offset = offsetOf(key) ?? offsetOf(pair.value) ?? 0
    if (!isScalar(key) || typeof key.value !== 'string') {
      return this.#refuse(offset, path, 'a key must be text: put it in quotes')
    }
    const here = [...path, key.value]
    if (key.value === '<<') {
      return this.#refuse(offset, here, 'merge keys are not YAML 1.2: repeat the keys')
    }
    // Assigned to an object this key would be no key at all, and so ignored in silence.
    if (key.value === '__proto__')
      return this.#refuse(offset, here, 'this key is refused: remove it')
    if (Object.hasOwn(seen, key.value)) {
      return this.#refuse(offset, here, `the key ${quoted(key.value)} is here twice: remove one`)
    }
    return key.value
  }

  #alias(alias: Alias, path: Path): unknown {
    const offset = offsetOf(alias) ?? 0
    if (this.targets.size >= YAML_ALIASES_MAX) {
      return this.#refuse(offset, path, `over ${YAML_ALIASES_MAX} aliases: write some parts out`)
    }
    const target = this.#anchors.get(alias.source)
    if (target === undefined) {
      const name = quoted(alias.source)
      return this.#refuse(offset, path, `no anchor ${name} above: add it, or quote a leading *`)
    }
    // A part that holds itself has no end.
    if (!target.isWhole)
      return this.#refuse(offset, path, 'an alias to a part around it: remove it')
    // Told once: every alias after it is one too many as well.
    if (this.#isOver) return undefined
    this.#size += target.size
    if (this.#size > PIPELINE_VALUES_MAX) {
      this.#isOver = true
      const most = `over ${PIPELINE_VALUES_MAX} values with those that aliases stand for`
      return this.#refuse(offset, path, `${most}: use fewer aliases`)
    }
    this.targets.set(alias, target.node)
    return target.value
  }

  #refuse(offset: number, path: Path, text: string): undefined {
    this.problems.push({ place: this.#lines.at(offset), path, text })
  }
}

function numberText(node: unknown, targets: ReadonlyMap<Alias, unknown>): string | undefined {
  const target = isAlias(node) ? targets.get(node) : node
  return isScalar(target) && typeof target.value === 'number' ? target.source : undefined
}

interface Found {
  readonly node: unknown
  readonly key: number
  readonly value: number
}

function locate(
  root: ParsedNode,
  path: Path,
  targets: ReadonlyMap<Alias, unknown>,
  index: KeyIndex
): Found {
  let node: unknown = root
  let found: Found = { node: root, key: offsetOf(root) ?? 0, value: offsetOf(root) ?? 0 }
  for (const segment of path) {
    if (isAlias(node)) node = targets.get(node)
    const step = isMap(node) ? index.child(node, segment) : item(node, segment)
    // What is missing is best added where its parent is named.
    if (step === undefined) return { node: undefined, key: found.key, value: found.key }
    node = step.node
    found = { node, key: step.key, value: offsetOf(node) ?? step.key }
  }
  return found
}

interface Step {
  readonly node: unknown
  readonly key: number
}

/** Keys of the maps that were asked for: a file of ten thousand wrong keys is searched for each. */
class KeyIndex {
  readonly #maps = new Map<YAMLMap, ReadonlyMap<unknown, Pair>>()

  child(map: YAMLMap, segment: string | number): Step | undefined {
    let pairs = this.#maps.get(map)
    if (pairs === undefined) {
      pairs = new Map(map.items.map((pair) => [isScalar(pair.key) ? pair.key.value : null, pair]))
      this.#maps.set(map, pairs)
    }
    const pair = pairs.get(segment)
    return pair === undefined ? undefined : { node: pair.value, key: offsetOf(pair.key) ?? 0 }
  }
}

function item(node: unknown, segment: string | number): Step | undefined {
  if (!isSeq(node) || typeof segment !== 'number') return undefined
  const found = (node as YAMLSeq).items[segment]
  const offset = offsetOf(found)
  return offset === undefined ? undefined : { node: found, key: offset }
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isCollection(node) || isAlias(node) ? node.range?.[0] : undefined
}

/** The path of the innermost value that begins at or before `offset`, of what could be parsed. */
export function pathAt(root: ParsedNode, offset: number): Path {
  const path: (string | number)[] = []
  let node: unknown = root
  for (;;) {
    const step = isMap(node) ? lastPair(node, offset) : lastItem(node, offset)
    if (step === undefined) return path
    path.push(step.segment)
    node = step.node
  }
}

interface Descent {
  readonly segment: string | number
  readonly node: unknown
}

function lastPair(map: YAMLMap, offset: number): Descent | undefined {
  const pair = map.items.findLast(({ key }) => (offsetOf(key) ?? Infinity) <= offset)
  if (pair === undefined || !isScalar(pair.key)) return undefined
  return { segment: String(pair.key.value), node: pair.value }
}

function lastItem(node: unknown, offset: number): Descent | undefined {
  if (!isSeq(node)) return undefined
  const index = node.items.findLastIndex((each) => (offsetOf(each) ?? Infinity) <= offset)
  return index < 0 ? undefined : { segment: index, node: node.items[index] }
}
