import type { Reduction } from './job-reducer.ts'
import type { RunOp, RunState } from './run.ts'

/**
 * The rules of a run's register: created once, never changed; whoever comes later gets the first.
 */
export function reduceRun(
  prev: RunState | undefined,
  register: string,
  op: RunOp
): Reduction<RunState> {
  if (prev !== undefined) {
    return prev.register === register ? { kind: 'same' } : { kind: 'reject', reason: 'invalid' }
  }
  const { annHash } = op.body
  const head = { kind: 'run', register, version: 1, prevHash: '', phase: 'run' } as const
  return { kind: 'next', value: { ...head, annHash, op } }
}
