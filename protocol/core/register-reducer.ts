import type { JobOp } from './job.ts'
import type { Reduction } from './job-reducer.ts'
import { reduceJob } from './job-reducer.ts'
import { JOBS_PER_RUN_MAX } from './limits.ts'
import type { RegisterValue } from './messages.ts'
import type { Digest } from './ports.ts'
import type { RunOp } from './run.ts'
import { jobIdOf, jobIndexOf, runIdOf } from './run.ts'
import { reduceRun } from './run-reducer.ts'

/**
 * What `op` does to the value of any register; without an op the value stays as it is, which is the
 * write-back of a reader. The register's name decides whether it holds a run or a job.
 */
export function reduce(
  prev: RegisterValue | undefined,
  register: string,
  op: JobOp | RunOp | undefined,
  digest: Digest
): Reduction<RegisterValue> {
  const kind = registerKind(register)
  if (kind === undefined || (prev !== undefined && prev.kind !== kind)) return INVALID
  if (op === undefined) return prev === undefined ? ABSENT : { kind: 'same' }
  if (kind === 'run') {
    if (prev?.kind === 'job' || !isRunOp(op)) return INVALID
    return reduceRun(prev, register, op)
  }
  if (prev?.kind === 'run' || isRunOp(op)) return INVALID
  return reduceJob(prev, register, op, digest)
}

/** Undefined for a name that no register has: `R.01` beside `R.1` would be two for one job. */
export function registerKind(register: string): 'run' | 'job' | undefined {
  const runId = runIdOf(register)
  if (runId === '') return
  const index = jobIndexOf(register)
  if (index === undefined) return 'run'
  const inRange = Number.isSafeInteger(index) && index >= 0 && index < JOBS_PER_RUN_MAX
  return inRange && jobIdOf(runId, index) === register ? 'job' : undefined
}

function isRunOp(op: JobOp | RunOp): op is RunOp {
  if (op.body.kind === 'seal') return true
  return op.body.kind === 'create' && !('attemptsMax' in op.body)
}

const INVALID: Reduction<never> = { kind: 'reject', reason: 'invalid' }
const ABSENT: Reduction<never> = { kind: 'reject', reason: 'absent' }
