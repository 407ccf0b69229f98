/** Exit codes of both programs (docs/cli.md). */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 70 | 78 | 130 | 141

export interface ErrorKind {
  /** What happened with its facts, and the way out; shown as it is. */
  readonly message: (facts: Facts) => string
  readonly exit: ExitCode
  readonly status: number
  /** True where the same call may work later without any change. */
  readonly retry: boolean
}

export type Facts = Readonly<Record<string, string | number | boolean | undefined>>

/** One row of the table of errors. */
export const kind = (
  exit: ExitCode,
  status: number,
  retry: boolean,
  message: (facts: Facts) => string
): ErrorKind => ({ message, exit, status, retry })

/** What systems, LevelDB, git and engines call a disk without room. */
export const DISK_FULL = /no space left on device|disk quota exceeded|ENOSPC|EDQUOT/i
