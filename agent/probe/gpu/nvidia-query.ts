import { cleanLine } from '../../../protocol/core/gpu.ts'
import {
  GPU_REASON_CHARACTERS_MAX,
  GPU_SINGLE_QUERIES_MAX
} from '../../../protocol/core/gpu-limits.ts'
import { type CsvRow, csvTable } from './csv-table.ts'
import { normalPci } from './pci.ts'
import type { RunTool, ToolAnswer } from './tools.ts'

export const NVIDIA_SMI = 'nvidia-smi'

/** Without these a row says of no GPU anything. */
const NEEDED = ['pci.bus_id', 'uuid', 'name', 'driver_version', 'memory.total']
const WANTED = [
  ...NEEDED,
  ...['compute_cap', 'mig.mode.current', 'gpu_recovery_action'],
  'ecc.errors.uncorrected.volatile.total',
  ...['remapped_rows.pending', 'remapped_rows.failure', 'retired_pages.pending']
]
/** Titles under which versions of the tool print what was asked for by another name. */
const TITLES = ['pci.bus_id', 'uuid']
const UNKNOWN_FIELD = /Field "([^"]{1,80})" is not a valid field to query/

/** What stands for no value. */
const NONE = ['N/A', 'Not Supported', 'Unknown Error', 'Insufficient Permissions', 'GPU is lost']
const ABSENT = new RegExp(`^\\[?(?:${NONE.join('|')}|Not Found|No data)\\]?$`, 'i')
const LOST = /GPU is lost|fallen off the bus/i

export interface NvidiaAnswers {
  /** By PCI address. */
  readonly rows: ReadonlyMap<string, NvidiaRow>
  /** What the tool says of those that it has no row for; undefined where it says nothing bad. */
  readonly illness: (pci: string) => string | undefined
  readonly warnings: readonly string[]
}

export interface NvidiaRow {
  /** Undefined for what the GPU, or this driver, does not have. */
  readonly fact: (field: string) => string | undefined
  /** It says of this field that there is none. */
  readonly lacks: (field: string) => boolean
  readonly isLost: boolean
}

/** Asks nvidia-smi for all GPUs; one by one those in `pcis` where one of them spoils the answer. */
export async function queryNvidia(run: RunTool, pcis: readonly string[]): Promise<NvidiaAnswers> {
  const all = await asked(run, [])
  if (all.kind !== 'failing' || pcis.length < 2) return answersOf(all)
  const rows = new Map<string, NvidiaRow>()
  const ill = new Map<string, string>()
  for (const pci of pcis.slice(0, GPU_SINGLE_QUERIES_MAX)) {
    const one = await asked(run, [`--id=${pci}`])
    for (const [key, row] of rowsOf(one)) rows.set(key, row)
    if (!rows.has(pci))
      ill.set(pci, one.kind === 'failing' || one.kind === 'hung' ? one.says : all.says)
    // The others of them would each take as long, and a driver that hangs does so for all.
    if (one.kind === 'hung') break
  }
  return {
    rows,
    illness: (pci) => (rows.has(pci) ? undefined : (ill.get(pci) ?? all.says)),
    warnings: []
  }
}

type Asked =
  | {
      readonly kind: 'table'
      readonly rows: readonly CsvRow[]
      readonly strange: number
      readonly says: string
    }
  | { readonly kind: 'absent' }
  /** It ended and said that something is wrong. */
  | { readonly kind: 'failing'; readonly says: string }
  | { readonly kind: 'hung'; readonly says: string }
  | { readonly kind: 'nonsense' }

/** Fields that this version does not know are left out, one after the other. */
async function asked(run: RunTool, more: readonly string[]): Promise<Asked> {
  let fields: readonly string[] = WANTED
  for (;;) {
    const query = [`--query-gpu=${fields.join(',')}`, '--format=csv,nounits', ...more]
    const answer = await run(NVIDIA_SMI, query)
    const unknown =
      answer.kind === 'said' ? UNKNOWN_FIELD.exec(`${answer.text}${answer.beside}`) : null
    if (unknown === null || fields.length === NEEDED.length) return meaningOf(answer)
    const left = fields.filter((field) => field !== unknown[1])
    const isOurs = left.length < fields.length && !NEEDED.includes(unknown[1] ?? '')
    fields = isOurs ? left : NEEDED
  }
}

function meaningOf(answer: ToolAnswer): Asked {
  if (answer.kind === 'absent') return { kind: 'absent' }
  if (answer.kind === 'failed') return { kind: 'hung', says: `nvidia-smi ${answer.cause}` }
  const table = csvTable(answer.text, TITLES)
  const words = `${answer.text}\n${answer.beside}`
  if (table !== undefined && table.rows.length > 0) {
    return { kind: 'table', ...table, says: firstLine(words, TITLES[0] ?? '') }
  }
  if (answer.code === 0 && !LOST.test(words)) return { kind: 'nonsense' }
  return {
    kind: 'failing',
    says: `nvidia-smi: ${firstLine(words, TITLES[0] ?? '') || `exit code ${answer.code}`}`
  }
}

function answersOf(all: Asked): NvidiaAnswers {
  const rows = rowsOf(all)
  const none = { rows, illness: () => undefined }
  switch (all.kind) {
    case 'table': {
      const warnings =
        all.strange === 0 ? [] : ['nvidia-smi prints rows that do not fit its titles']
      const illness = (pci: string) => (rows.has(pci) ? undefined : missing(all.says, pci))
      return { rows, illness, warnings }
    }
    case 'absent':
      return {
        ...none,
        warnings: ['nvidia-smi is not here: memory and health of NVIDIA GPUs are not known']
      }
    case 'nonsense':
      return {
        ...none,
        warnings: [
          'nvidia-smi prints no table that can be read: health of NVIDIA GPUs is not known'
        ]
      }
    default:
      return { rows, illness: () => all.says, warnings: [all.says] }
  }
}

/** Of others it has a row: it may say why not of this one. */
function missing(says: string, pci: string): string {
  return says.toLowerCase().includes(pci.slice(5))
    ? `nvidia-smi: ${says}`
    : 'nvidia-smi has no row for it'
}

function rowsOf(asked: Asked): ReadonlyMap<string, NvidiaRow> {
  const rows = new Map<string, NvidiaRow>()
  for (const row of asked.kind === 'table' ? asked.rows : []) {
    const pci = normalPci(row.get('pci.bus_id') ?? '')
    if (pci !== undefined) rows.set(pci, rowOf(row))
  }
  return rows
}

function rowOf(row: CsvRow): NvidiaRow {
  const fact = (field: string): string | undefined => {
    const value = row.get(field) ?? ''
    return value === '' || ABSENT.test(value) ? undefined : value
  }
  return {
    fact,
    lacks: (field) => row.has(field) && fact(field) === undefined,
    isLost: [...row.values()].some((value) => LOST.test(value))
  }
}

function firstLine(text: string, besides: string): string {
  const line = text.split('\n').find((each) => each.trim() !== '' && !each.includes(besides)) ?? ''
  return cleanLine(line, GPU_REASON_CHARACTERS_MAX / 2)
}
