import {
  FALLBACK_MS_MAX,
  GROUP_CHARACTERS_MAX,
  MATRIX_VALUE_CHARACTERS_MAX,
  PRIORITY_MAX,
  RETRIES_MAX
} from '../core/graph-limits.ts'
import { JOBS_PER_RUN_MAX, LABELS_MAX, NAME_CHARACTERS_MAX } from '../core/limits.ts'
import type { Concurrency, JobSpec } from '../core/run.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { count, line, lineOrNone, refuse } from './fields.ts'
import { type PairCheck, toPairs } from './pairs.ts'
import { checkLabel, readPairs, writePair } from './spec-fields.ts'

/* When a job may begin, and after which others: fields 18 to 24 of its spec. */

type Graph = Pick<
  JobSpec,
  'needs' | 'retries' | 'priority' | 'concurrency' | 'prefer' | 'fallbackAfterMs' | 'matrix'
>

export function writeGraph(writer: FieldWriter, graph: Graph): void {
  const { needs = [], retries = 0, priority = 0, prefer = {}, matrix = {} } = graph
  writer.list(24, 'matrix', LABELS_MAX, toPairs(matrix, LABELS_MAX, 'matrix', checkAxis), writePair)
  writer.optionalCount(23, 'fallbackAfterMs', graph.fallbackAfterMs, FALLBACK_MS_MAX, 1)
  writer.list(
    22,
    'prefer',
    LABELS_MAX,
    toPairs(prefer, LABELS_MAX, 'prefer', checkLabel),
    writePair
  )
  writer.optionalMessage(21, graph.concurrency, writeConcurrency)
  writer.count(20, 'priority', zigzag(priority), 2 * PRIORITY_MAX)
  writer.count(19, 'retries', retries, RETRIES_MAX)
  for (const need of ascending(needs).toReversed()) {
    writer.optionalCount(18, 'needs', need, JOBS_PER_RUN_MAX - 1)
  }
}

/** Without the fields that ask for nothing. */
export function readGraph(reader: FieldReader): Graph {
  const needs = readNeeds(reader)
  const retries = reader.count(19, 'retries', RETRIES_MAX)
  const priority = unzigzag(reader.count(20, 'priority', 2 * PRIORITY_MAX))
  const concurrency = reader.optionalMessage(21, 'concurrency', readConcurrency)
  const prefer = readPairs(reader, 22, 'prefer', LABELS_MAX, checkLabel)
  const fallbackAfterMs = reader.optionalCount(23, 'fallbackAfterMs', FALLBACK_MS_MAX, 1)
  const matrix = readPairs(reader, 24, 'matrix', LABELS_MAX, checkAxis)
  return {
    ...(needs.length === 0 ? {} : { needs }),
    ...(retries === 0 ? {} : { retries }),
    ...(priority === 0 ? {} : { priority }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(isEmpty(prefer) ? {} : { prefer }),
    ...(fallbackAfterMs === undefined ? {} : { fallbackAfterMs }),
    ...(isEmpty(matrix) ? {} : { matrix })
  }
}

function readNeeds(reader: FieldReader): readonly number[] {
  const needs: number[] = []
  while (needs.length < JOBS_PER_RUN_MAX) {
    const need = reader.optionalCount(18, 'needs', JOBS_PER_RUN_MAX - 1)
    if (need === undefined) break
    needs.push(need)
  }
  return ascending(needs)
}

function ascending(needs: readonly number[]): readonly number[] {
  if (needs.some((need, at) => at > 0 && need <= (needs[at - 1] ?? 0))) {
    refuse('needs', 'are not ascending, each once')
  }
  return needs
}

function writeConcurrency(writer: FieldWriter, { group, cancelSuperseded }: Concurrency): void {
  writer.flag(2, 'cancelSuperseded', cancelSuperseded)
  writer.line(1, 'concurrency group', group, GROUP_CHARACTERS_MAX)
}

function readConcurrency(reader: FieldReader): Concurrency {
  return {
    group: reader.line(1, 'concurrency group', GROUP_CHARACTERS_MAX),
    cancelSuperseded: reader.flag(2, 'cancelSuperseded')
  }
}

const checkAxis: PairCheck = (key, value) => {
  line(key, NAME_CHARACTERS_MAX, 'matrix')
  lineOrNone(value, MATRIX_VALUE_CHARACTERS_MAX, 'matrix value')
}

/** As proto3 spells an `sint32`: 0, -1, 1, -2, ... */
function zigzag(value: number): number {
  // Checked here too: of a fraction, or of what is far away, another number would be made.
  count(Math.abs(value), 'priority', PRIORITY_MAX)
  return value < 0 ? -2 * value - 1 : 2 * value
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function isEmpty(record: Readonly<Record<string, string>>): boolean {
  return Object.keys(record).length === 0
}
