import fc from 'fast-check'
import { type Ballot, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import { CANCEL_GRACE_MS_MAX } from '../../../protocol/core/follow-limits.ts'
import type {
  HistoryEntry,
  JobOp,
  JobOpBody,
  JobState,
  Lease,
  Outcome,
  Reason
} from '../../../protocol/core/job.ts'
import type {
  Accepted,
  RegisterReply,
  RegisterRequest,
  RegisterScope,
  RegisterValue,
  Stage
} from '../../../protocol/core/messages.ts'
import type { AcceptorRecord } from '../../../protocol/core/ports.ts'
import type { RunOpBody, RunState } from '../../../protocol/core/run.ts'
import {
  blobs,
  boots,
  counts,
  hashes,
  ids,
  jobIds,
  names,
  option,
  peerIds,
  positive,
  registers,
  runIds,
  sharedSigs,
  some,
  texts
} from './draws.ts'

export const ballots: fc.Arbitrary<Ballot> = fc.oneof(
  { arbitrary: fc.constant(NO_BALLOT), weight: 1 },
  { arbitrary: fc.record({ round: positive, peer: peerIds, boot: boots }), weight: 5 }
)

const reasons = fc.constantFrom<Reason>(
  'completed',
  'exit_code',
  'oom_killed',
  'disk_limit',
  'quarantined'
)
const exitCodes = option(fc.constantFrom(0, 1, 255, 0xff_ff_ff_ff))

const percents = option(fc.integer({ min: 0, max: 100 }))
const gpuUses = fc.record({
  samples: counts,
  busyPeakPercent: percents,
  busyMeanPercent: percents,
  memoryPeakBytes: option(counts),
  memoryMeanBytes: option(counts)
})

const outputs = option(
  fc.dictionary(fc.stringMatching(/^[A-Za-z_]\w{0,10}$/), texts, {
    minKeys: 1,
    maxKeys: 4,
    noNullPrototype: true
  })
)

export const outcomes: fc.Arbitrary<Outcome> = fc
  .record({
    epoch: counts,
    state: fc.constantFrom('succeeded', 'failed', 'errored', 'cancelled'),
    reason: reasons,
    exitCode: exitCodes,
    message: texts,
    steps: some(
      fc.record({
        name: names,
        state: fc.constantFrom('succeeded', 'failed', 'timed_out', 'not_run'),
        exitCode: exitCodes,
        durationMs: counts
      })
    ),
    durationMs: counts,
    logDigest: fc.oneof(fc.constant(''), hashes),
    logLines: counts,
    outputs,
    gpuUse: fc.option(gpuUses, { nil: undefined })
  })
  .map(({ outputs: drawn, gpuUse, ...rest }) => ({
    ...rest,
    ...(drawn === undefined ? {} : { outputs: drawn }),
    ...(gpuUse === undefined ? {} : { gpuUse })
  }))

const graces = option(fc.integer({ min: 1, max: CANCEL_GRACE_MS_MAX }))

/** Without a key for a grace that nobody has said. */
function asSaid<T extends { readonly graceMs?: number | undefined }>({ graceMs, ...rest }: T) {
  return graceMs === undefined ? rest : { ...rest, graceMs }
}

export const jobBodies: fc.Arbitrary<JobOpBody> = fc.oneof(
  fc
    .record({
      kind: fc.constant('create' as const),
      annHash: hashes,
      attemptsMax: fc.nat(3),
      retriesMax: option(fc.integer({ min: 1, max: 5 }))
    })
    .map(({ retriesMax, ...body }) => (retriesMax === undefined ? body : { ...body, retriesMax })),
  fc.record({ kind: fc.constant('claim'), claimId: ids, boot: boots, leaseMs: counts }),
  fc.record({ kind: fc.constant('complete'), epoch: counts, claimId: ids, outcome: outcomes }),
  fc.record({
    kind: fc.constant('release'),
    epoch: counts,
    claimId: ids,
    reason: reasons,
    userCodeRan: fc.boolean()
  }),
  fc.record({
    kind: fc.constant('adopt'),
    epoch: counts,
    claimId: ids,
    boot: boots,
    number: counts
  }),
  fc.record({ kind: fc.constant('reaffirm'), epoch: counts, claimId: ids, boot: boots }),
  fc.record({ kind: fc.constant('skip'), reason: texts }),
  fc.record({ kind: fc.constant('move'), witnessEpoch: counts, reason: texts }),
  fc.record({ kind: fc.constant('cancel' as const), reason: texts, graceMs: graces }).map(asSaid),
  fc.record({ kind: fc.constant('error'), reason: reasons, message: texts })
)

const jobOps: fc.Arbitrary<JobOp> = fc.record({
  opId: ids,
  actor: peerIds,
  body: jobBodies,
  argsHash: hashes,
  sig: sharedSigs
})

const historyEntries: fc.Arbitrary<HistoryEntry> = fc
  .tuple(
    fc.record({ epoch: counts, holder: peerIds, claimId: ids }),
    fc.oneof(
      fc.constant({ end: 'expired', opId: '', argsHash: '', sig: '' } as const),
      fc.record({
        end: fc.constantFrom('released' as const, 'completed' as const),
        opId: ids,
        argsHash: hashes,
        sig: sharedSigs
      })
    )
  )
  .map(([lease, end]) => ({ ...lease, ...end }))

const leases: fc.Arbitrary<Lease> = fc.record({
  holder: peerIds,
  claimId: ids,
  boot: boots,
  leaseMs: counts,
  adoption: option(fc.record({ number: counts, opId: ids, sig: sharedSigs }))
})

const cancels = option(fc.record({ by: peerIds, reason: texts, graceMs: graces }).map(asSaid))

/** None of the retries of a job that may have none. */
const tries = option(
  fc.integer({ min: 1, max: 5 }).chain((retriesMax) => {
    return fc.integer({ min: 0, max: retriesMax }).map((retries) => {
      return { retriesMax, ...(retries === 0 ? {} : { retries }) }
    })
  })
)

export const jobStates: fc.Arbitrary<JobState> = fc
  .record({
    kind: fc.constant('job'),
    register: jobIds,
    version: counts,
    prevHash: fc.oneof(fc.constant(''), hashes),
    annHash: hashes,
    phase: fc.constantFrom(
      'queued',
      'leased',
      'succeeded',
      'failed',
      'errored',
      'skipped',
      'moved'
    ),
    epoch: counts,
    attempts: fc.nat(3),
    attemptsMax: fc.nat(3),
    lease: option(leases),
    cancel: cancels,
    outcome: option(outcomes),
    history: some(historyEntries),
    lastOps: some(fc.record({ opId: ids, actor: peerIds })),
    op: jobOps,
    moved: option(fc.record({ witnessEpoch: counts })),
    tries
  })
  .map(({ tries: drawn, ...job }) => ({ ...job, ...drawn }))

const runOp = <Body extends RunOpBody>(body: fc.Arbitrary<Body>) =>
  fc.record({ opId: ids, actor: peerIds, body, argsHash: hashes, sig: sharedSigs })

const runHead = {
  kind: fc.constant('run' as const),
  register: runIds,
  version: counts,
  prevHash: fc.oneof(fc.constant(''), hashes)
}

const movedJobs: fc.Arbitrary<JobState> = jobStates.map((job) => ({ ...job, phase: 'moved' }))

export const runStates: fc.Arbitrary<RunState> = fc.oneof(
  fc.record({
    ...runHead,
    phase: fc.constant('run' as const),
    annHash: hashes,
    supersededBy: fc.constant(undefined),
    op: runOp(fc.record({ kind: fc.constant('create' as const), annHash: hashes }))
  }),
  fc.record({
    ...runHead,
    phase: fc.constant('superseded' as const),
    annHash: fc.constant(''),
    supersededBy: counts,
    op: runOp(fc.record({ kind: fc.constant('seal' as const), witnessEpoch: counts }))
  })
)

export const values: fc.Arbitrary<RegisterValue> = fc.oneof(jobStates, runStates)

const accepted: fc.Arbitrary<Accepted> = fc.record({
  ballot: ballots,
  value: values,
  proposerSig: sharedSigs
})

export const records: fc.Arbitrary<AcceptorRecord> = fc.record({
  promised: ballots,
  accepted: option(accepted)
})

const scopes: fc.Arbitrary<RegisterScope> = fc.record({
  register: registers,
  witnessEpoch: counts,
  storeId: ids,
  ann: option(fc.record({ gateway: peerIds, gwSeq: counts, annHash: hashes }))
})

const stages: fc.Arbitrary<Stage> = fc.record({
  name: fc.constantFrom('claimed', 'checkout', 'image', 'create', 'start', 'step', 'finishing'),
  step: fc.nat(64),
  steps: fc.nat(64)
})

export const requests: fc.Arbitrary<RegisterRequest> = fc.oneof(
  fc.record({ kind: fc.constant('read'), scope: scopes }),
  fc.record({
    kind: fc.constant('prepare'),
    scope: scopes,
    ballot: ballots,
    intent: fc.constantFrom('op', 'takeover')
  }),
  fc.record({
    kind: fc.constant('accept'),
    scope: scopes,
    ballot: ballots,
    value: values,
    proposerSig: sharedSigs,
    announcement: option(blobs)
  }),
  fc.record({
    kind: fc.constant('renew'),
    items: some(
      fc.record({ scope: scopes, epoch: counts, claimId: ids, boot: boots, stage: stages })
    ),
    seenSeq: counts
  }),
  fc.record({
    kind: fc.constant('sync'),
    storeId: ids,
    sinceSeq: counts,
    limit: fc.integer({ min: 1, max: 256 }),
    openOnly: fc.boolean(),
    seenSeq: counts
  }),
  fc.record({ kind: fc.constant('announcement'), annHash: hashes }),
  fc.record({ kind: fc.constant('seen'), storeId: ids })
)

const leaseViews = option(fc.record({ epoch: counts, remainingMs: counts, stage: option(stages) }))

export const replies: fc.Arbitrary<RegisterReply> = fc.oneof(
  fc.record({
    kind: fc.constant('value'),
    accepted: option(accepted),
    promised: ballots,
    lease: leaseViews,
    wseq: counts
  }),
  fc.record({
    kind: fc.constant('promise'),
    ballot: ballots,
    accepted: option(accepted),
    lease: leaseViews,
    wseq: counts
  }),
  fc.record({ kind: fc.constant('accepted'), ballot: ballots, wseq: counts }),
  fc.record({
    kind: fc.constant('rejected'),
    code: fc.constantFrom('ballot', 'lease_alive', 'gone', 'announcement_missing', 'disk_low'),
    promised: option(ballots),
    remainingMs: option(counts),
    detail: texts
  }),
  fc.record({
    kind: fc.constant('renewed'),
    items: some(
      fc.record({
        register: registers,
        answer: fc.constantFrom('ok', 'behind', 'stale', 'fenced', 'gone', 'moved'),
        version: counts,
        cancel: cancels,
        moved: option(movedJobs)
      })
    )
  }),
  fc.record({
    kind: fc.constant('synced'),
    storeId: ids,
    items: some(
      fc.record({
        register: registers,
        witnessEpoch: counts,
        seq: counts,
        version: counts,
        phase: fc.constantFrom('queued', 'leased', 'moved', 'run', 'superseded'),
        annHash: hashes
      })
    ),
    next: counts,
    more: fc.boolean()
  }),
  fc.record({ kind: fc.constant('announcement'), bytes: option(blobs) }),
  fc.record({ kind: fc.constant('seen'), seq: counts })
)
