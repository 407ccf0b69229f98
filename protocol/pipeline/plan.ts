import { JOBS_PER_RUN_MAX } from '../core/limits.ts'
import { MATRIX_VALUES_MAX } from '../core/pipeline-limits.ts'
import { hasField } from './field.ts'
import { textsOf } from './fillable.ts'
import type { JobDocument } from './job-schema.ts'
import { type Combination, entryNames } from './matrix.ts'
import type { Path, Problem } from './problem.ts'
import type { PipelineDocument } from './schema.ts'
import type { Tree } from './tree.ts'
import { asMap, valueAt } from './value.ts'

/** One entry of `jobs`, with the jobs that it makes. */
export interface Plan {
  readonly name: string
  readonly path: Path
  /** As it stands in the file, fields in its texts. */
  readonly written: unknown
  /** The same, checked. */
  readonly document: JobDocument
  /** One for each job; undefined is a job without a matrix. */
  readonly entries: readonly (Combination | undefined)[]
  /** Of its jobs, in the same order. */
  readonly names: readonly string[]
  /** Index of its first job in the run. */
  readonly first: number
  /** True where its texts have fields. */
  readonly hasFields: boolean
  /** Indices of the jobs that all its jobs need, ascending. */
  readonly needs: readonly number[]
}

/** All entries of `jobs`, or the one with which they are too many. */
export type Plans =
  | { readonly kind: 'plans'; readonly plans: readonly Plan[] }
  | { readonly kind: 'problem'; readonly problem: Problem }

/** Of a file whose `needs` are good. */
export function plansOf(document: PipelineDocument, tree: Tree): Plans {
  const firsts = new Map<string, readonly number[]>()
  let count = 0
  for (const [name, job] of Object.entries(document.jobs)) {
    const first = count
    count += job.matrix?.length ?? 1
    if (count > JOBS_PER_RUN_MAX) return { kind: 'problem', problem: tooMany(name, job, tree) }
    firsts.set(name, range(first, count))
  }
  const plans = Object.entries(document.jobs).map(([name, job]) => {
    const needs = [...new Set(job.needs)].flatMap((need) => firsts.get(need) ?? [])
    return plan(name, job, { firsts, needs, tree })
  })
  return { kind: 'plans', plans }
}

interface PlanParts {
  readonly firsts: ReadonlyMap<string, readonly number[]>
  readonly needs: readonly number[]
  readonly tree: Tree
}

function plan(name: string, document: JobDocument, { firsts, needs, tree }: PlanParts): Plan {
  const path = ['jobs', name]
  const written = valueAt(tree.value, path)
  const entries = document.matrix ?? [undefined]
  return {
    name,
    path,
    written,
    document,
    entries,
    names: entryNames(name, entries),
    first: firsts.get(name)?.[0] ?? 0,
    hasFields: textsOf(written).some(({ text }) => hasField(text)),
    needs: needs.toSorted((a, b) => a - b)
  }
}

function range(from: number, end: number): readonly number[] {
  return Array.from({ length: end - from }, (_, index) => from + index)
}

function tooMany(name: string, { matrix }: JobDocument, tree: Tree): Problem {
  const path = matrix === undefined ? ['jobs', name] : ['jobs', name, 'matrix']
  const text = `has too many entries: with its jobs the run has more than ${JOBS_PER_RUN_MAX}`
  return { place: tree.placeOfKey(path), path, text: `${text}; remove some values` }
}

/** Numbers of matrices as they are written: 22.10 is not 22.1. */
export function withWrittenNumbers(tree: Tree): Tree {
  const root = asMap(tree.value)
  const jobs = asMap(root?.['jobs'])
  if (root === undefined || jobs === undefined) return tree
  const written = Object.entries(jobs).map(([name, job]) => {
    const map = asMap(job)
    const matrix = asMap(map?.['matrix'])
    if (map === undefined || matrix === undefined) return [name, job]
    return [name, { ...map, matrix: writtenMatrix(matrix, ['jobs', name, 'matrix'], tree) }]
  })
  return { ...tree, value: { ...root, jobs: Object.fromEntries(written) } }
}

type PlainMap = Readonly<Record<string, unknown>>

// Not deeper than numbers may stand: what aliases stand for can be endless.
function writtenMatrix(matrix: PlainMap, path: Path, tree: Tree): PlainMap {
  return mapped(matrix, (list, axis) => {
    if (!Array.isArray(list)) return list
    return list.slice(0, MATRIX_VALUES_MAX + 1).map((item: unknown, index) => {
      const at = [...path, axis, index]
      const entry = axis === 'exclude' ? asMap(item) : undefined
      if (entry === undefined) return asWritten(item, at, tree)
      return mapped(entry, (value, name) => asWritten(value, [...at, name], tree))
    })
  })
}

function asWritten(value: unknown, path: Path, tree: Tree): unknown {
  return typeof value === 'number' ? (tree.written(path) ?? String(value)) : value
}

function mapped(map: PlainMap, change: (value: unknown, key: string) => unknown): PlainMap {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value, key)]))
}
