/** One row: what stands below each title, by the title without its unit. */
export type CsvRow = ReadonlyMap<string, string>

export interface CsvTable {
  readonly rows: readonly CsvRow[]
  /** Lines below the titles that fit none. */
  readonly strange: number
}

const ROWS_MAX = 1_024

/**
 * The table in a tool's output, read by its titles: versions add columns and name some otherwise.
 * Lines before the titles are what the tool says besides. Undefined without such titles.
 */
export function csvTable(text: string, titles: readonly string[]): CsvTable | undefined {
  const lines = text.split(/\r?\n/)
  const head = lines.findIndex((line) => {
    const names = titlesOf(line)
    return titles.every((title) => names.includes(title))
  })
  if (head < 0) return undefined
  const names = titlesOf(lines[head] ?? '')
  const rows: CsvRow[] = []
  let strange = 0
  for (const line of lines.slice(head + 1, head + 1 + ROWS_MAX)) {
    if (line.trim() === '') continue
    const cells = line.split(',').map((cell) => cell.trim())
    if (cells.length === names.length) {
      rows.push(new Map(names.map((name, index) => [name, cells[index] ?? ''])))
    } else strange += 1
  }
  return { rows, strange }
}

function titlesOf(line: string): readonly string[] {
  return line.split(',').map((name) => name.trim().replace(/ \[[^\]]*\]$/, ''))
}
