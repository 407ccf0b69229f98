import {
  bool,
  bytes,
  choice,
  enumeration,
  inner,
  maybe,
  message,
  repeated,
  string,
  uint32,
  uint64
} from './field-table.ts'
import * as wire from './generated/register.ts'
import { tableCodec } from './table-codec.ts'

/* `register.proto` again, as tables: its fields in their order. A test holds both side by side. */

const phase = enumeration(wire.Phase)
const reason = enumeration(wire.Reason)

const ballot = message({ round: uint64, peer: string, boot: bytes })
const ann = message({ gateway: string, gwSeq: uint64, annHash: bytes })
const scope = message({ register: string, witnessEpoch: uint64, storeId: bytes, ann: inner(ann) })

const adoption = message({ number: uint64, opId: bytes, sig: bytes })
const lease = message({
  holder: string,
  claimId: bytes,
  boot: bytes,
  leaseMs: uint64,
  adoption: inner(adoption)
})
const step = message({
  name: string,
  state: enumeration(wire.StepState),
  exitCode: maybe(uint32),
  durationMs: uint64
})
const outcome = message({
  epoch: uint64,
  state: phase,
  reason,
  exitCode: maybe(uint32),
  message: string,
  steps: repeated(step),
  durationMs: uint64,
  logDigest: bytes,
  logLines: uint64
})
const history = message({
  epoch: uint64,
  holder: string,
  claimId: bytes,
  end: enumeration(wire.LeaseEnd),
  opId: bytes,
  argsHash: bytes,
  sig: bytes
})
const cancellation = message({ by: string, reason: string })
const identity = message({ opId: bytes, actor: string })

const jobBody = choice({
  create: message({ annHash: bytes, attemptsMax: uint32 }),
  claim: message({ claimId: bytes, boot: bytes, leaseMs: uint64 }),
  complete: message({ epoch: uint64, claimId: bytes, outcome: inner(outcome) }),
  release: message({ epoch: uint64, claimId: bytes, reason, userCodeRan: bool }),
  cancel: message({ reason: string }),
  error: message({ reason, message: string }),
  adopt: message({ epoch: uint64, claimId: bytes, boot: bytes, number: uint64 }),
  reaffirm: message({ epoch: uint64, claimId: bytes, boot: bytes }),
  skip: message({ reason: string }),
  move: message({ witnessEpoch: uint64, reason: string })
})
const runBody = choice({
  create: message({ annHash: bytes }),
  seal: message({ witnessEpoch: uint64 })
})
const signed = { opId: bytes, actor: string }
const proof = { argsHash: bytes, sig: bytes }

const job = message({
  register: string,
  version: uint64,
  prevHash: bytes,
  annHash: bytes,
  phase,
  epoch: uint64,
  attempts: uint32,
  attemptsMax: uint32,
  lease: inner(lease),
  cancel: inner(cancellation),
  outcome: inner(outcome),
  history: repeated(history),
  lastOps: repeated(identity),
  op: inner(message({ ...signed, body: inner(jobBody), ...proof })),
  moved: inner(message({ witnessEpoch: uint64 }))
})
const run = message({
  register: string,
  version: uint64,
  prevHash: bytes,
  annHash: bytes,
  op: inner(message({ ...signed, body: inner(runBody), ...proof })),
  supersededBy: maybe(uint64)
})

const stage = message({ name: enumeration(wire.StageName), step: uint32, steps: uint32 })
const renewItem = message({
  scope: inner(scope),
  epoch: uint64,
  claimId: bytes,
  boot: bytes,
  stage: inner(stage)
})
const request = choice({
  read: message({ scope: inner(scope) }),
  prepare: message({
    scope: inner(scope),
    ballot: inner(ballot),
    intent: enumeration(wire.Intent)
  }),
  accept: message({
    scope: inner(scope),
    ballot: inner(ballot),
    value: bytes,
    proposerSig: bytes,
    announcement: maybe(bytes)
  }),
  renew: message({ items: repeated(renewItem), seenSeq: uint64 }),
  sync: message({
    storeId: bytes,
    sinceSeq: uint64,
    limit: uint32,
    openOnly: bool,
    seenSeq: uint64
  }),
  announcement: message({ annHash: bytes }),
  seen: message({ storeId: bytes })
})

const accepted = message({ ballot: inner(ballot), value: bytes, proposerSig: bytes })
const leaseView = message({ epoch: uint64, remainingMs: uint64, stage: inner(stage) })
const renewResult = message({
  register: string,
  answer: enumeration(wire.RenewAnswer),
  version: uint64,
  cancel: inner(cancellation),
  moved: maybe(bytes)
})
const syncItem = message({
  register: string,
  witnessEpoch: uint64,
  seq: uint64,
  version: uint64,
  phase,
  annHash: bytes
})
const known = { accepted: inner(accepted) }
const shown = { lease: inner(leaseView), wseq: uint64 }
const reply = choice({
  value: message({ ...known, promised: inner(ballot), ...shown }),
  promise: message({ ballot: inner(ballot), ...known, ...shown }),
  accepted: message({ ballot: inner(ballot), wseq: uint64 }),
  rejected: message({
    code: enumeration(wire.RejectCode),
    promised: inner(ballot),
    remainingMs: maybe(uint64),
    detail: string
  }),
  renewed: message({ items: repeated(renewResult) }),
  synced: message({ storeId: bytes, items: repeated(syncItem), next: uint64, more: bool }),
  announcement: message({ bytes: maybe(bytes) }),
  seen: message({ seq: uint64 })
})

export const registerValues = tableCodec<wire.RegisterValue>(choice({ job, run }))
export const jobOpBodies = tableCodec<wire.JobOpBody>(jobBody)
export const runOpBodies = tableCodec<wire.RunOpBody>(runBody)
export const registerRequests = tableCodec<wire.RegisterRequest>(request)
export const registerReplies = tableCodec<wire.RegisterReply>(reply)
export const acceptorRecords = tableCodec<wire.AcceptorRecord>(
  message({ promised: inner(ballot), accepted: inner(accepted) })
)
