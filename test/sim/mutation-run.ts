import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Mutation } from './mutation.ts'

/** How a mutation was found, or `undefined` where it was not. */
export interface Finding {
  readonly name: string
  readonly found:
    | { readonly seed: number; readonly events: number; readonly by: string }
    | undefined
}

const run = promisify(execFile)

/** Runs seeds without the rule, in a process of its own, until an invariant is broken. */
export async function findMutation({ name }: Mutation, seeds: number): Promise<Finding> {
  const script = resolve(import.meta.dirname, 'mutant.ts')
  const args = ['--import', 'tsx', script, name, String(seeds)]
  const { stdout } = await run(process.execPath, args)
  const { found } = JSON.parse(stdout) as Partial<Finding>
  return { name, found }
}

/** So many at a time, each told as it comes; in the order of the list. */
export async function findAll(
  mutations: readonly Mutation[],
  seeds: number,
  parallel: number,
  onFound: (finding: Finding) => void
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const left = mutations.map((mutation, index) => ({ mutation, index }))
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const finding = await findMutation(next.mutation, seeds)
      findings[next.index] = finding
      onFound(finding)
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return findings
}

/** `name | found by | seed | events | rule`, one line a mutation. */
export function tableOf(
  mutations: readonly Mutation[],
  findings: readonly Finding[]
): readonly string[] {
  const rows = mutations.map((mutation) => {
    const found = findings.find(({ name }) => name === mutation.name)?.found
    const [by = 'NOT FOUND'] = found?.by.split(':') ?? []
    const how = mutation.schedule === undefined ? '' : ` (${mutation.schedule})`
    const facts = [String(found?.seed ?? '-'), String(found?.events ?? '-')]
    return [mutation.name, by + how, ...facts, mutation.rule]
  })
  const table = [['mutation', 'found by', 'seed', 'events', 'rule left out'], ...rows]
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0))
  )
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(' | ')
      .trimEnd()
  )
}
