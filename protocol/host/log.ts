import { type DestinationStream, type Logger, pino } from 'pino'
import { LineOutput } from './line-output.ts'

export type Log = Logger
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogOptions {
  /** `agent` or `gateway`; in every line as `program`. */
  readonly name: string
  readonly level: LogLevel
  /** Where lines go; standard output when absent. */
  readonly stream?: DestinationStream
}

const STANDARD_OUTPUT = 1

/**
 * JSON lines for journald. Paths that could hold a credential are masked here once, so that no call
 * site has to remember it.
 */
export function createLog(options: LogOptions): Log {
  return pino(
    {
      base: { program: options.name },
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: [
          'authorization',
          '*.authorization',
          'headers["webhook-signature"]',
          '*.secret',
          '*.token'
        ],
        censor: '***'
      }
    },
    options.stream ?? new LineOutput(STANDARD_OUTPUT, options.name)
  )
}

/** A log that keeps nothing: for tests of parts that must have one. */
export function silentLog(): Log {
  return pino({ level: 'silent' })
}
