import fc from 'fast-check'
import type { Advertisement } from '../../../protocol/core/advertisement.ts'
import { type Ballot, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type {
  HistoryEntry,
  JobOp,
  JobOpBody,
  JobState,
  Outcome,
  Reason
} from '../../../protocol/core/job.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import type {
  Accepted,
  RegisterReply,
  RegisterRequest,
  RegisterScope,
  RegisterValue,
  Stage
} from '../../../protocol/core/messages.ts'
import type { AcceptorRecord } from '../../../protocol/core/ports.ts'
import type { Member, Roster } from '../../../protocol/core/roster.ts'
import type { JobSpec, Manifest, RunOrigin, RunState } from '../../../protocol/core/run.ts'
import type { Frame } from '../../../protocol/wire/frame.ts'
import type { JobsMessage } from '../../../protocol/wire/hint-codec.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import type { LogReply, LogRequest } from '../../../protocol/wire/log-codec.ts'
import type { RosterReply, RosterRequest } from '../../../protocol/wire/roster-message.ts'

/*
 * Any message that may be sent. Every field is drawn from all that its limits allow, sizes kept
 * small, so that a round trip that loses or mixes up a field is found in a few runs.
 */

export const KEYS = Array.from({ length: 4 }, generateKey)

export const peerIds = fc.constantFrom(...KEYS.map((key) => key.peerId))
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => Buffer.from(array).toString('hex'))
const ids = hex(16)
const boots = hex(8)
const hashes = hex(32)
const sigs = hex(64)
const counts = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER)
)
const positive = counts.map((value) => Math.max(1, value))
/** Well-formed text with ASCII, umlauts, CJK and characters beyond the first plane. */
const texts = fc.string({ unit: 'grapheme', maxLength: 12 })
const names = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9 ._/-]{0,20}$/),
  fc.constantFrom('größe', '構建', '🚀 ship', '__proto__', 'constructor')
)
const option = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arb, { nil: undefined })
const some = <T>(arb: fc.Arbitrary<T>, maxLength = 3): fc.Arbitrary<T[]> =>
  fc.array(arb, { maxLength })
const blobs = fc.uint8Array({ maxLength: 40 })

export const runIds = fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/)
export const jobIds = fc.tuple(runIds, fc.nat(255)).map(([run, index]) => `${run}.${index}`)
const registers = fc.oneof(runIds, jobIds)

export const ballots: fc.Arbitrary<Ballot> = fc.oneof(
  { arbitrary: fc.constant(NO_BALLOT), weight: 1 },
  { arbitrary: fc.record({ round: positive, peer: peerIds, boot: boots }), weight: 5 }
)

const reasons = fc.constantFrom<Reason>('completed', 'exit_code', 'oom_killed', 'log_limit')
const exitCodes = option(fc.constantFrom(0, 1, 255, 0xff_ff_ff_ff))

export const outcomes: fc.Arbitrary<Outcome> = fc.record({
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
  logLines: counts
})

export const jobBodies: fc.Arbitrary<JobOpBody> = fc.oneof(
  fc.record({ kind: fc.constant('create'), annHash: hashes, attemptsMax: fc.nat(3) }),
  fc.record({ kind: fc.constant('claim'), claimId: ids, boot: boots, leaseMs: counts }),
  fc.record({ kind: fc.constant('complete'), epoch: counts, claimId: ids, outcome: outcomes }),
  fc.record({
    kind: fc.constant('release'),
    epoch: counts,
    claimId: ids,
    reason: reasons,
    userCodeRan: fc.boolean()
  }),
  fc.record({ kind: fc.constant('cancel'), reason: texts }),
  fc.record({ kind: fc.constant('error'), reason: reasons, message: texts })
)

const jobOps: fc.Arbitrary<JobOp> = fc.record({
  opId: ids,
  actor: peerIds,
  body: jobBodies,
  argsHash: hashes,
  sig: sigs
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
        sig: sigs
      })
    )
  )
  .map(([lease, end]) => ({ ...lease, ...end }))

const cancels = option(fc.record({ by: peerIds, reason: texts }))

export const jobStates: fc.Arbitrary<JobState> = fc.record({
  kind: fc.constant('job'),
  register: jobIds,
  version: counts,
  prevHash: fc.oneof(fc.constant(''), hashes),
  annHash: hashes,
  phase: fc.constantFrom('queued', 'leased', 'succeeded', 'failed', 'errored', 'skipped'),
  epoch: counts,
  attempts: fc.nat(3),
  attemptsMax: fc.nat(3),
  lease: option(fc.record({ holder: peerIds, claimId: ids, boot: boots, leaseMs: counts })),
  cancel: cancels,
  outcome: option(outcomes),
  history: some(historyEntries),
  lastOps: some(fc.record({ opId: ids, actor: peerIds })),
  op: jobOps
})

export const runStates: fc.Arbitrary<RunState> = fc.record({
  kind: fc.constant('run'),
  register: runIds,
  version: counts,
  prevHash: fc.oneof(fc.constant(''), hashes),
  phase: fc.constant('run'),
  annHash: hashes,
  op: fc.record({
    opId: ids,
    actor: peerIds,
    body: fc.record({ kind: fc.constant('create'), annHash: hashes }),
    argsHash: hashes,
    sig: sigs
  })
})

export const values: fc.Arbitrary<RegisterValue> = fc.oneof(jobStates, runStates)

const accepted: fc.Arbitrary<Accepted> = fc.record({
  ballot: ballots,
  value: values,
  proposerSig: sigs
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
    proposerSig: sigs,
    announcement: option(blobs)
  }),
  fc.record({
    kind: fc.constant('renew'),
    items: some(
      fc.record({ scope: scopes, epoch: counts, claimId: ids, boot: boots, stage: stages })
    )
  }),
  fc.record({
    kind: fc.constant('sync'),
    storeId: ids,
    sinceSeq: counts,
    limit: fc.integer({ min: 1, max: 256 }),
    openOnly: fc.boolean()
  }),
  fc.record({ kind: fc.constant('announcement'), annHash: hashes })
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
    code: fc.constantFrom('ballot', 'lease_alive', 'gone', 'announcement_missing'),
    promised: option(ballots),
    remainingMs: option(counts),
    detail: texts
  }),
  fc.record({
    kind: fc.constant('renewed'),
    items: some(
      fc.record({
        register: registers,
        answer: fc.constantFrom('ok', 'behind', 'stale', 'fenced', 'gone'),
        version: counts,
        cancel: cancels
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
        phase: fc.constantFrom('queued', 'leased', 'succeeded', 'run'),
        annHash: hashes
      })
    ),
    next: counts,
    more: fc.boolean()
  }),
  fc.record({ kind: fc.constant('announcement'), bytes: option(blobs) })
)

const commits = fc.oneof(hex(20), hex(32))

export const origins: fc.Arbitrary<RunOrigin> = fc.record({
  forgeHost: names,
  repositoryId: names,
  event: fc.constant('push'),
  ref: names.map((name) => `refs/heads/${name}`),
  commit: commits,
  number: fc.constantFrom('', '17'),
  action: fc.constantFrom('', 'opened'),
  rerunNonce: fc.constantFrom('', 'again')
})

const dictionaries = fc.dictionary(names, names, { maxKeys: 4, noNullPrototype: true })
const timeouts = fc.integer({ min: 1, max: 86_400_000 })

const jobSpecs: fc.Arbitrary<Omit<JobSpec, 'index'>> = fc.record({
  name: names,
  image: fc.constantFrom('alpine:3.20', 'registry.example:5000/a/b@sha256:00'),
  platform: option(fc.constantFrom('linux/amd64', 'linux/arm/v7')),
  resources: fc.record({
    cpuMilli: fc.integer({ min: 1, max: 64_000 }),
    memoryBytes: fc.integer({ min: 1, max: 2 ** 44 })
  }),
  labels: dictionaries,
  env: dictionaries,
  timeoutMs: timeouts,
  onLoss: fc.constantFrom('retry', 'error'),
  network: fc.constant('none'),
  steps: some(fc.record({ name: names, run: texts, timeoutMs: option(timeouts) }))
})

export const manifests: fc.Arbitrary<Manifest> = fc
  .record({
    origin: origins,
    repository: names,
    url: fc.constantFrom('https://git.example/a.git', 'ssh://git@git.example/ä'),
    before: fc.oneof(fc.constant(''), commits),
    pusher: texts,
    title: texts,
    content: fc.oneof(
      fc.array(jobSpecs, { minLength: 1, maxLength: 3 }),
      fc.record({
        code: fc.constant('PIPELINE_INVALID'),
        message: texts,
        line: option(counts),
        column: option(counts),
        path: option(texts)
      })
    )
  })
  .map(({ content, ...rest }) =>
    Array.isArray(content)
      ? { ...rest, jobs: content.map((spec, index) => ({ index, ...spec })), error: undefined }
      : { ...rest, jobs: [], error: content }
  )

const members: fc.Arbitrary<Omit<Member, 'peerId'>> = fc.record({
  name: names,
  roles: fc.subarray(['agent', 'gateway', 'witness', 'operator'] as const),
  addresses: some(fc.constantFrom('/ip4/10.0.0.1/tcp/4471', '/dns4/ci.example/tcp/4471')),
  witness: option(fc.record({ storeId: ids, zone: fc.oneof(fc.constant(''), names) })),
  notAfterMs: counts
})

export const rosters: fc.Arbitrary<Omit<Roster, 'authority'>> = fc.record({
  version: positive,
  prevHash: fc.oneof(fc.constant(''), hashes),
  witnessEpoch: counts,
  w: fc.constantFrom(1, 3, 5),
  lease: fc.constantFrom('default', 'short'),
  members: fc
    .tuple(fc.subarray(KEYS), fc.array(members, { minLength: 4, maxLength: 4 }))
    .map(([keys, drawn]) =>
      keys.flatMap(({ peerId }, index) => {
        const member = drawn[index]
        return member === undefined ? [] : [{ peerId, ...member }]
      })
    ),
  revoked: some(peerIds)
})

export const rosterRequests: fc.Arbitrary<RosterRequest> = fc.record({
  version: counts,
  witnessEpoch: option(counts),
  bytes: option(blobs)
})

export const rosterReplies: fc.Arbitrary<RosterReply> = fc.record({
  version: counts,
  bytes: option(blobs)
})

export const rosterHints = fc.record({ version: counts, witnessEpoch: counts })

const capacities = fc.record({ cpuMilli: counts, memoryBytes: counts, jobs: fc.nat(256) })

export const advertisements: fc.Arbitrary<Advertisement> = fc.record({
  peerId: peerIds,
  name: names,
  boot: boots,
  sequence: counts,
  state: fc.constantFrom('starting', 'idle', 'busy', 'paused', 'draining'),
  version: names,
  platforms: some(fc.record({ name: names, native: fc.boolean() })),
  labels: dictionaries,
  capacity: capacities,
  free: capacities,
  diskFreeBytes: counts,
  engine: fc.oneof(fc.constant(''), names),
  jobs: some(jobIds),
  sentAtMs: counts,
  leaving: fc.boolean()
})

export const hints = fc.record({ register: registers, witnessEpoch: counts, version: counts })

const repeats = fc.integer({ min: 0, max: 0xff_ff_ff_ff })

export const jobsMessages: fc.Arbitrary<JobsMessage> = fc.oneof(
  fc.record({ kind: fc.constant('announcement'), bytes: blobs, repeat: repeats }),
  fc.record({ kind: fc.constant('hint'), hint: hints, repeat: repeats })
)

const logLines: fc.Arbitrary<Omit<LogLine, 'number'>> = fc.record({
  atMs: counts,
  step: fc.nat(64),
  stream: fc.constantFrom('out', 'err', 'mesh'),
  text: texts
})

const numbered = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 40 }), some(logLines))
  .map(([first, lines]) => ({
    first,
    lines: lines.map((line, index) => ({ number: first + index, ...line }))
  }))

export const logRequests: fc.Arbitrary<LogRequest> = fc.oneof(
  fc.tuple(jobIds, positive, numbered, fc.boolean()).map(
    ([job, epoch, { first, lines }, end]): LogRequest => ({
      kind: 'push',
      job,
      epoch,
      firstLine: first,
      lines,
      end
    })
  ),
  fc.record({
    kind: fc.constant('read'),
    job: jobIds,
    epoch: option(positive),
    fromLine: positive,
    limit: fc.integer({ min: 1, max: 1_000 })
  })
)

export const logReplies: fc.Arbitrary<LogReply> = fc.oneof(
  fc.record({ kind: fc.constant('acked'), nextLine: positive }),
  fc.record({
    kind: fc.constant('refused'),
    code: fc.constantFrom('stale_epoch', 'unknown_job', 'gap', 'not_allowed', 'full'),
    nextLine: counts
  }),
  fc.record({
    kind: fc.constant('page'),
    epoch: counts,
    lines: numbered.map(({ lines }) => lines),
    next: counts,
    end: fc.boolean()
  }),
  fc.constant({ kind: 'absent' } as const)
)

const errorFrames = fc.record({
  kind: fc.constant('error' as const),
  code: fc.constantFrom('OVERLOADED', 'MESSAGE_INVALID')
})
const plainFrames = fc.record({
  kind: fc.constantFrom('request' as const, 'response' as const),
  code: fc.constant('')
})

export const frames: fc.Arbitrary<Frame> = fc
  .tuple(repeats, blobs, fc.oneof(errorFrames, plainFrames))
  .map(([id, body, rest]) => ({ id, body, ...rest }))
