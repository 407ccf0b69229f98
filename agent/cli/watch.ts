import { stripVTControlCharacters } from 'node:util'
import { MeshError } from '../../protocol/core/errors.ts'
import { jsonLine } from '../../protocol/host/command-text.ts'
import { SilentExit } from '../../protocol/host/exit.ts'
import { pause } from '../../protocol/mesh/bounds/pause.ts'
import type { Context } from './command.ts'
import type { Console } from './console.ts'
import { Interrupt } from './interrupt.ts'

/** Milliseconds between two pictures. */
const WATCH_EVERY_MS = 2_000

const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
/** To the upper left, and nothing from there on. */
const CLEAR = '\u001b[H\u001b[J'

/** What `--watch` says of itself in every program that has it. */
export const WATCH_TEXT = 'draw it again every 2 s, until Ctrl-C'

/**
 * Shows `read` again and again until Ctrl-C, which gives exit 130: in place on a terminal, or one
 * document a line. Throws USAGE where there is no terminal and no `--json`.
 */
export async function watch<Document>(
  context: Context,
  read: () => Promise<Document>,
  render: (document: Document) => string
): Promise<never> {
  const { console, json, clock } = context
  if (!json && console.columns === undefined) {
    const problem = '--watch draws on a terminal and there is none: add --json'
    throw new MeshError('USAGE', { problem })
  }
  const interrupt = new Interrupt(context.around)
  try {
    if (!json) console.out(HIDE_CURSOR)
    while (!interrupt.signal.aborted) {
      const document = await read()
      if (json) console.out(jsonLine(document))
      else console.out(`${CLEAR}${picture(render(document), console)}`)
      await pause(clock, WATCH_EVERY_MS, interrupt.signal)
    }
  } finally {
    if (!json) console.out(SHOW_CURSOR)
    interrupt.forget()
  }
  throw new SilentExit(130)
}

type Screen = Pick<Console, 'rows' | 'columns'>

/**
 * Never more than the terminal has rows, a long line counting as those that it takes: it would
 * scroll, and the next picture be drawn beside it.
 */
export function picture(text: string, screen: Screen): string {
  const head = `every ${WATCH_EVERY_MS / 1_000} s · quit with Ctrl-C\n\n`
  const lines = text.split('\n')
  const room = (screen.rows ?? Number.POSITIVE_INFINITY) - 3
  const heights = lines.map((line) => rowsOf(line, screen.columns))
  if (heights.reduce((sum, height) => sum + height, 0) <= room) return head + text
  let used = 0
  const from = heights.findIndex((height) => {
    used += height
    return used > room - 1
  })
  const shown = lines.slice(0, Math.max(1, from))
  return `${head}${shown.join('\n')}\n… ${lines.length - shown.length} lines more\n`
}

function rowsOf(line: string, columns: number | undefined): number {
  const width = stripVTControlCharacters(line).length
  return Math.max(1, Math.ceil(width / (columns ?? Number.POSITIVE_INFINITY)))
}
