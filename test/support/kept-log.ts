import { createLog, type Log } from '../../protocol/host/log.ts'

/** A log as a daemon has it, at level info, and the lines that it got. */
export function keptLog(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => {
    lines.push(JSON.parse(line) as Record<string, unknown>)
  }
  return { log: createLog({ name: 'test', level: 'info', stream: { write } }), lines }
}
