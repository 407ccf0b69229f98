import type { Reduction } from './job-reducer.ts'
import type { RegisterValue } from './messages.ts'
import type { RunOp, RunState } from './run.ts'

/**
 * The rules of a run's register: created or sealed once, never changed; whoever comes later gets
 * the first (4.12.4).
 */
export function reduceRun(
  prev: RunState | undefined,
  register: string,
  op: RunOp
): Reduction<RunState> {
  if (prev !== undefined) {
    return prev.register === register ? { kind: 'same' } : { kind: 'reject', reason: 'invalid' }
  }
  const head = { kind: 'run', register, version: 1, prevHash: '', op } as const
  if (op.body.kind === 'create') {
    return { kind: 'next', value: { ...head, phase: 'run', annHash: op.body.annHash } }
  }
  const { witnessEpoch: supersededBy } = op.body
  if (!Number.isSafeInteger(supersededBy) || supersededBy < 1) {
    return { kind: 'reject', reason: 'invalid' }
  }
  return { kind: 'next', value: { ...head, phase: 'superseded', annHash: '', supersededBy } }
}

/** True for a register that holds no run and never will. */
export function isSealed(value: RegisterValue): boolean {
  return value.phase === 'superseded'
}
