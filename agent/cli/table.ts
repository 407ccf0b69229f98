import Table from 'cli-table3'

const BORDERLESS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '   '
}

/** Columns at least three spaces apart; the last one is cut with an ellipsis on a terminal. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number | undefined
): string {
  const table = new Table({
    chars: BORDERLESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }
  })
  table.push([...head], ...rows.map((row) => [...row]))
  const lines = table.toString().split('\n')
  return `${lines.map((line) => cut(line.trimEnd(), columns)).join('\n')}\n`
}

/** Escape sequences take no room, so a painted line is cut by what is seen of it. */
function cut(line: string, columns: number | undefined): string {
  if (columns === undefined) return line
  let seen = 0
  let out = ''
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    if (part.startsWith('\u001b')) {
      out += part
      continue
    }
    const room = columns - seen
    if (part.length <= room) out += part
    else if (room > 0) out += `${part.slice(0, room - 1)}…`
    seen = Math.min(columns, seen + part.length)
  }
  return out
}
