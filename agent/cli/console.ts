import { styleText } from 'node:util'

/** Where a command writes, and whether a person reads it. */
export interface Console {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly paint: Paint
  /** Columns of the terminal; undefined when piped: nothing is cut then. */
  readonly columns: number | undefined
  /** Rows of the terminal; undefined when piped. */
  readonly rows?: number | undefined
  readonly unicode: boolean
}

export type Colour = 'green' | 'red' | 'magenta' | 'blue' | 'yellow' | 'dim' | 'bold'
export type Paint = (colour: Colour, text: string) => string

export interface ConsoleParts {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly colour: boolean
}

/** NO_COLOR, FORCE_COLOR and pipes are honoured; colour never says anything alone. */
export function consoleOf(parts: ConsoleParts): Console {
  const { stdout, stderr, env } = parts
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0'
  const refused = !parts.colour || (env['NO_COLOR'] ?? '') !== ''
  const coloured = !refused && (forced || stdout.isTTY === true)
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    paint: (colour, text) =>
      coloured ? styleText(colour, text, { validateStream: false } as never) : text,
    columns: stdout.isTTY === true ? stdout.columns : undefined,
    rows: stdout.isTTY === true ? stdout.rows : undefined,
    unicode: /UTF-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'UTF-8')
  }
}
