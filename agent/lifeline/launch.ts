import { spawn } from 'node:child_process'
import { closeSync, openSync, renameSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { GUARDIAN_LOG_BYTES_MAX } from '../../protocol/core/limits.ts'

/** A guardian on its way; `ended` resolves with the reason once it is gone. */
export interface Launched {
  readonly ended: Promise<string>
}

/**
 * Starts a guardian in a session of its own, so that neither a signal to the agent's process group
 * nor a closed terminal reaches it. It logs to a file of its own: what an agent's standard error
 * leads to, a pipe say, may be gone when the agent is.
 */
export function launchGuardian(state: string, log: string): Launched {
  const out = openLog(log)
  const main = join(import.meta.dirname, '..', `main${extname(import.meta.filename)}`)
  try {
    const args = [...process.execArgv, main, 'lifeline', '--state', state]
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', out, out] })
    const ended = new Promise<string>((resolve) => {
      child.on('error', (error) => resolve(error.message))
      child.on('exit', (code, signal) => resolve(signal ?? `exit ${code}`))
    })
    child.unref()
    return { ended }
  } finally {
    closeSync(out)
  }
}

/** The log goes on where the last guardian stopped, until it is long: one older one is kept. */
function openLog(path: string): number {
  const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0 }
  if (size > GUARDIAN_LOG_BYTES_MAX) renameSync(path, `${path}.1`)
  return openSync(path, 'a', 0o600)
}
