import { readFile } from 'node:fs/promises'
import { isMap, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { MeshError } from '../core/errors.ts'

/** Bytes of one settings file. */
const SETTINGS_BYTES_MAX = 1_048_576

export type Origin = 'flag' | 'environment' | 'file' | 'default'

export interface Layers {
  /** Values from the command line; undefined entries were not given. */
  readonly flags: Readonly<Record<string, unknown>>
  /** Setting name to environment variable name, as in `{ listen: 'MESH_LISTEN' }`. */
  readonly variables: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The YAML file; an absent one counts as empty unless `fileRequired`. */
  readonly file: string
  readonly fileRequired: boolean
}

export interface Loaded<T> {
  readonly values: T
  /** Where each top-level setting came from. */
  readonly origins: Readonly<Record<string, Origin>>
}

/**
 * Flag over environment over file over default. The schema must be strict: a misspelt setting that
 * is ignored is worse than a start that is refused. Throws CONFIG_INVALID with line and column.
 */
export async function loadSettings<S extends z.ZodType>(
  schema: S,
  layers: Layers
): Promise<Loaded<z.output<S>>> {
  const text = await readSettings(layers)
  const parsed = parseSettings(text, layers.file)
  const merged: Record<string, unknown> = { ...parsed.values }
  const origins: Record<string, Origin> = {}
  for (const name of Object.keys(merged)) origins[name] = 'file'
  for (const [name, variable] of Object.entries(layers.variables)) {
    const value = layers.env[variable]
    if (value === undefined || value === '') continue
    merged[name] = environmentValue(value)
    origins[name] = 'environment'
  }
  for (const [name, value] of Object.entries(layers.flags)) {
    if (value === undefined) continue
    merged[name] = value
    origins[name] = 'flag'
  }
  const result = schema.safeParse(merged)
  if (!result.success) throw invalid(layers, origins, parsed, result.error)
  for (const name of Object.keys(result.data as object)) origins[name] ??= 'default'
  return { values: result.data, origins }
}

interface Parsed {
  readonly values: Readonly<Record<string, unknown>>
  position(path: readonly PropertyKey[]): string
}

function parseSettings(text: string, file: string): Parsed {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const [problem] = document.errors
  if (problem !== undefined) {
    const [first] = problem.message.split('\n')
    throw new MeshError('CONFIG_INVALID', { file, problem: first ?? problem.code })
  }
  if (document.contents !== null && !isMap(document.contents)) {
    throw new MeshError('CONFIG_INVALID', { file, problem: 'it must hold `name: value` lines' })
  }
  const values = (document.toJS({ maxAliasCount: 50 }) ?? {}) as Record<string, unknown>
  const position = (path: readonly PropertyKey[]): string => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true)
      const range = rangeOf(node)
      if (range === undefined) continue
      const { line, col } = lines.linePos(range)
      return `:${line}:${col}`
    }
    return ''
  }
  return { values, position }
}

function rangeOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined
  return Array.isArray(node.range) ? Number(node.range[0]) : undefined
}

function invalid(
  layers: Layers,
  origins: Readonly<Record<string, Origin>>,
  parsed: Parsed,
  error: z.ZodError
): MeshError {
  const [issue] = error.issues
  const path = issue?.path ?? []
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const full = unknown === undefined ? path : [...path, unknown]
  const name = String(full[0] ?? '')
  const origin = origins[name] ?? 'file'
  const where = full.map(String).join('.')
  const from = {
    flag: `--${name}`,
    environment: layers.variables[name] ?? name,
    file: `${layers.file}${parsed.position(full)}`,
    default: layers.file
  }[origin]
  return new MeshError('CONFIG_INVALID', { file: from, problem: `${where}: ${issue?.message}` })
}

async function readSettings(layers: Layers): Promise<string> {
  try {
    const bytes = await readFile(layers.file)
    if (bytes.length <= SETTINGS_BYTES_MAX) return bytes.toString('utf8')
    throw new MeshError('CONFIG_INVALID', { file: layers.file, problem: 'it is over 1 MiB' })
  } catch (error) {
    if (error instanceof MeshError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    if (code === 'ENOENT' && !layers.fileRequired) return ''
    throw new MeshError('CONFIG_INVALID', { file: layers.file, problem: `it is ${code}` })
  }
}

/**
 * Lists, numbers and booleans are written in YAML's flow form: MESH_LISTEN='[/ip4/0.0.0.0/tcp/1]'.
 */
function environmentValue(text: string): unknown {
  const document = parseDocument(text)
  return document.errors.length > 0 || isMap(document.contents) ? text : document.toJS()
}
