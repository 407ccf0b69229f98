import type { Ballot } from '../../protocol/core/ballot.ts'
import type { JobPhase, JobState } from '../../protocol/core/job.ts'
import type { AcceptorRecord } from '../../protocol/core/ports.ts'
import type { RunState } from '../../protocol/core/run.ts'

const BOOT = '00000000000000b1'

export const ballotOf = (round: number): Ballot => ({ round, peer: 'peer-a', boot: BOOT })

/** A job's value as a store sees it; what a reducer would refuse is no matter here. */
export function jobValue(register: string, version: number, phase: JobPhase = 'queued'): JobState {
  const annHash = hashOf(register)
  return {
    kind: 'job',
    register,
    version,
    prevHash: '',
    annHash,
    phase,
    epoch: 0,
    attempts: 0,
    attemptsMax: 3,
    lease: undefined,
    cancel: undefined,
    outcome: undefined,
    history: [],
    lastOps: [],
    op: {
      opId: `op-${version}`,
      actor: 'peer-a',
      body: { kind: 'create', annHash, attemptsMax: 3 },
      argsHash: '',
      sig: ''
    }
  }
}

export function runValue(register: string): RunState {
  const annHash = hashOf(register)
  const op = { opId: 'op-1', actor: 'peer-a', body: { kind: 'create', annHash }, argsHash: '' }
  return {
    kind: 'run',
    register,
    version: 1,
    prevHash: '',
    phase: 'run',
    annHash,
    op: { ...op, body: { kind: 'create', annHash }, sig: '' }
  }
}

/** A record with a promise of `round` and nothing accepted. */
export const promiseOf = (round: number): AcceptorRecord => ({
  promised: ballotOf(round),
  accepted: undefined
})

/** A record that accepted `value` in `round`. */
export function acceptOf(round: number, value: JobState | RunState): AcceptorRecord {
  const ballot = ballotOf(round)
  return { promised: ballot, accepted: { ballot, value, proposerSig: 'ab' } }
}

export const hashOf = (register: string): string =>
  Buffer.from(register).toString('hex').padEnd(64, '0').slice(0, 64)
