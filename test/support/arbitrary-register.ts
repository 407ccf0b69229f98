import fc from 'fast-check'
import type { JobOp, JobOpBody, JobState, Outcome, OutcomeState } from '../../protocol/core/job.ts'
import { reduceJob } from '../../protocol/core/job-reducer.ts'
import { plainDigest } from './plain-digest.ts'
import { plainSigner } from './plain-signer.ts'

export const JOB = 'RUN.0'
export const ANN_HASH = 'ann'
export const DIGEST = plainDigest()

/**
 * What somebody wants of a job; made an op against the state of the moment, mostly a fitting one.
 */
export interface Intent {
  readonly actor: string
  readonly kind: JobOpBody['kind']
  /** Index of an earlier op to send again, in place of a new one. */
  readonly repeats: number | undefined
  /** How a complete or release names its lease. */
  readonly aim: 'current' | 'other_actor' | 'other_epoch' | 'other_claim'
  /** A claim id that was used before, in place of a fresh one. */
  readonly usedClaim: boolean
  readonly userCodeRan: boolean
  readonly state: OutcomeState
  readonly reason: 'agent_lost' | 'quarantined' | 'never_matched' | 'exit_code'
}

const PEERS = ['peerA', 'peerB', 'peerC'] as const

export const arbitraryIntent: fc.Arbitrary<Intent> = fc.record({
  actor: fc.constantFrom(...PEERS),
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant('claim' as const) },
    { weight: 4, arbitrary: fc.constant('release' as const) },
    { weight: 2, arbitrary: fc.constantFrom('adopt', 'reaffirm', 'complete') },
    {
      weight: 1,
      arbitrary: fc.constantFrom('create', 'cancel', 'error', 'skip', 'move')
    }
  ),
  repeats: fc.option(fc.nat(20), { nil: undefined, freq: 6 }),
  aim: fc.oneof(
    { weight: 5, arbitrary: fc.constant('current' as const) },
    { weight: 1, arbitrary: fc.constantFrom('other_actor', 'other_epoch', 'other_claim') }
  ),
  usedClaim: fc.nat(9).map((chance) => chance === 0),
  // Mostly not: attempts that are given back make long lives.
  userCodeRan: fc.nat(4).map((chance) => chance === 0),
  state: fc.constantFrom('failed', 'failed', 'succeeded', 'errored', 'cancelled'),
  reason: fc.constantFrom('agent_lost', 'quarantined', 'never_matched', 'exit_code')
})

/** A job's whole life: every op that was tried, and the state after each. */
export interface History {
  readonly ops: readonly JobOp[]
  readonly states: readonly (JobState | undefined)[]
}

/** Lives that begin with a create and go wherever the intents lead. */
export const arbitraryHistory: fc.Arbitrary<History> = fc
  .tuple(
    fc.record({
      attemptsMax: fc.integer({ min: 1, max: 3 }),
      retriesMax: fc.integer({ min: 0, max: 3 })
    }),
    fc.array(arbitraryIntent, { maxLength: 40, size: 'max' })
  )
  .map(([terms, intents]) => live(terms, intents))

/** Every state that some life reaches. */
export const arbitraryJob: fc.Arbitrary<JobState> = arbitraryHistory.map(({ states }) => {
  const last = states.at(-1)
  if (last === undefined) throw new Error('every life begins with a create')
  return last
})

/** An op that fits the state more often than not. */
export function opOf(
  intent: Intent,
  state: JobState | undefined,
  earlier: readonly JobOp[]
): JobOp {
  const again = intent.repeats === undefined ? undefined : earlier[intent.repeats]
  if (again !== undefined) return again
  const serial = String(earlier.length)
  const { holder, claimId } = state?.lease ?? { holder: intent.actor, claimId: 'none' }
  const own = ['complete', 'release', 'adopt', 'reaffirm'].includes(intent.kind)
  const actor = own && intent.aim !== 'other_actor' ? holder : intent.actor
  const epoch = (state?.epoch ?? 0) + (intent.aim === 'other_epoch' ? 1 : 0)
  const named = intent.aim === 'other_claim' ? 'another' : claimId
  const signer = plainSigner(actor, DIGEST)
  return signer.jobOp(JOB, `op-${serial}`, bodyOf(intent, serial, { epoch, claimId: named }, state))
}

function bodyOf(
  intent: Intent,
  serial: string,
  lease: { readonly epoch: number; readonly claimId: string },
  state: JobState | undefined
): JobOpBody {
  const { kind, reason, userCodeRan } = intent
  switch (kind) {
    case 'create':
      return { kind, annHash: ANN_HASH, attemptsMax: 3 }
    case 'claim': {
      const used = intent.usedClaim ? state?.history.at(0)?.claimId : undefined
      return { kind, claimId: used ?? `claim-${serial}`, boot: 'boot', leaseMs: 3_000 }
    }
    case 'complete':
      return { kind, ...lease, outcome: reportOf(lease.epoch, intent.state) }
    case 'release':
      return { kind, ...lease, reason: 'drained', userCodeRan }
    case 'adopt': {
      const number = (state?.lease?.adoption?.number ?? 0) + (intent.usedClaim ? 0 : 1)
      return { kind, ...lease, boot: `boot-${serial}`, number }
    }
    case 'reaffirm':
      return { kind, ...lease, boot: intent.usedClaim ? 'boot' : (state?.lease?.boot ?? 'boot') }
    case 'cancel':
      return intent.usedClaim
        ? { kind, reason: 'no longer needed', graceMs: 30_000 }
        : { kind, reason: 'no longer needed' }
    case 'error':
      return { kind, reason, message: 'nobody is left' }
    case 'skip':
      return { kind, reason: 'not wanted' }
    case 'move':
      return { kind, witnessEpoch: 2, reason: 'a witness is gone' }
    default:
      return kind satisfies never
  }
}

function live(
  terms: { readonly attemptsMax: number; readonly retriesMax: number },
  intents: readonly Intent[]
): History {
  const first = plainSigner('gateway', DIGEST).jobOp(JOB, 'op-create', {
    kind: 'create',
    annHash: ANN_HASH,
    ...terms
  })
  const ops: JobOp[] = []
  const states: (JobState | undefined)[] = []
  const apply = (op: JobOp) => {
    const made = reduceJob(states.at(-1), JOB, op, DIGEST)
    ops.push(op)
    states.push(made.kind === 'next' ? made.value : states.at(-1))
  }
  apply(first)
  for (const intent of intents) apply(opOf(intent, states.at(-1), ops))
  return { ops, states }
}

/** The report of an attempt of which nobody asks more. */
export function reportOf(epoch: number, state: OutcomeState): Outcome {
  return {
    epoch,
    state,
    reason: state === 'succeeded' ? 'completed' : 'exit_code',
    exitCode: state === 'succeeded' ? 0 : 1,
    message: '',
    steps: [],
    durationMs: 1,
    logDigest: '',
    logLines: 0
  }
}
