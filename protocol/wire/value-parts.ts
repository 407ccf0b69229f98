import type { Adoption, HistoryEntry, JobOp, JobState, Lease, OpIdentity } from '../core/job.ts'
import {
  ATTEMPTS_MAX,
  HISTORY_ENTRIES_MAX,
  LAST_OPS_MAX,
  MESSAGE_BYTES_MAX
} from '../core/limits.ts'
import type { RegisterValue } from '../core/messages.ts'
import type { RunState } from '../core/run.ts'
import { type Limits, loose } from './codec.ts'
import {
  BOOT_BYTES,
  bytesOf,
  bytesOrNone,
  count,
  HASH_BYTES,
  hexOf,
  hexOrNone,
  ID_BYTES,
  jobId,
  list,
  need,
  optional,
  peerId,
  refuse,
  runId,
  textBytes
} from './fields.ts'
import type * as wire from './generated/register.ts'
import {
  JOB_BODY_LIMITS,
  jobBodyFromWire,
  jobBodyToWire,
  runBodyFromWire,
  runBodyToWire
} from './op-codec.ts'
import { opSignatureBytes, opSignatureHex } from './op-signature.ts'
import { OUTCOME_LIMITS, outcomeFromWire, outcomeToWire } from './outcome-parts.ts'
import { jobPhases, leaseEnds } from './register-names.ts'

export const VALUE_LIMITS = {
  job: {
    outcome: OUTCOME_LIMITS,
    history: HISTORY_ENTRIES_MAX,
    lastOps: LAST_OPS_MAX,
    op: { body: JOB_BODY_LIMITS }
  }
} satisfies Limits<wire.RegisterValue>

export function valueToWire(value: RegisterValue): wire.RegisterValue {
  return value.kind === 'job' ? { job: jobToWire(value) } : { run: runToWire(value) }
}

export function valueFromWire(message: wire.RegisterValue): RegisterValue {
  if (message.job !== undefined) return jobFromWire(message.job)
  return runFromWire(need(message.run, 'value'))
}

function jobToWire(job: JobState): wire.JobState {
  return loose<wire.JobState>({
    register: jobId(job.register, 'register'),
    version: count(job.version, 'version'),
    prevHash: bytesOrNone(job.prevHash, HASH_BYTES, 'prevHash'),
    annHash: bytesOf(job.annHash, HASH_BYTES, 'annHash'),
    phase: jobPhases.toWire(job.phase),
    epoch: count(job.epoch, 'epoch'),
    attempts: count(job.attempts, 'attempts', ATTEMPTS_MAX),
    attemptsMax: count(job.attemptsMax, 'attemptsMax', ATTEMPTS_MAX),
    lease: optional(job.lease, leaseToWire),
    cancel: optional(job.cancel, cancellation),
    outcome: optional(job.outcome, outcomeToWire),
    history: list(job.history, HISTORY_ENTRIES_MAX, 'history', entryToWire),
    lastOps: list(job.lastOps, LAST_OPS_MAX, 'lastOps', identityToWire),
    op: { ...signedToWire(job.op), body: jobBodyToWire(job.op.body) },
    moved: optional(job.moved, moved)
  })
}

function jobFromWire(job: wire.JobState): JobState {
  const op = need(job.op, 'op')
  return {
    kind: 'job',
    register: jobId(job.register, 'register'),
    version: count(job.version, 'version'),
    prevHash: hexOrNone(job.prevHash, HASH_BYTES, 'prevHash'),
    annHash: hexOf(job.annHash, HASH_BYTES, 'annHash'),
    phase: jobPhases.fromWire(job.phase),
    epoch: count(job.epoch, 'epoch'),
    attempts: count(job.attempts, 'attempts', ATTEMPTS_MAX),
    attemptsMax: count(job.attemptsMax, 'attemptsMax', ATTEMPTS_MAX),
    lease: optional(job.lease, leaseFromWire),
    cancel: optional(job.cancel, cancellation),
    outcome: optional(job.outcome, outcomeFromWire),
    history: list(job.history, HISTORY_ENTRIES_MAX, 'history', entryFromWire),
    lastOps: list(job.lastOps, LAST_OPS_MAX, 'lastOps', identityFromWire),
    op: { ...signedFromWire(op), body: jobBodyFromWire(need(op.body, 'body')) },
    moved: optional(job.moved, moved)
  }
}

function runToWire(run: RunState): wire.RunState {
  return loose<wire.RunState>({
    register: runId(run.register, 'register'),
    version: count(run.version, 'version'),
    prevHash: bytesOrNone(run.prevHash, HASH_BYTES, 'prevHash'),
    annHash: bytesOrNone(run.annHash, HASH_BYTES, 'annHash'),
    op: { ...signedToWire(run.op), body: runBodyToWire(run.op.body) },
    supersededBy: optional(run.supersededBy, (epoch) => count(epoch, 'supersededBy'))
  })
}

function runFromWire(run: wire.RunState): RunState {
  const op = need(run.op, 'op')
  return {
    kind: 'run',
    register: runId(run.register, 'register'),
    version: count(run.version, 'version'),
    prevHash: hexOrNone(run.prevHash, HASH_BYTES, 'prevHash'),
    phase: run.supersededBy === undefined ? 'run' : 'superseded',
    annHash: hexOrNone(run.annHash, HASH_BYTES, 'annHash'),
    op: { ...signedFromWire(op), body: runBodyFromWire(need(op.body, 'body')) },
    supersededBy: optional(run.supersededBy, (epoch) => count(epoch, 'supersededBy'))
  }
}

/** Where a job has moved to, the same on both sides. */
function moved({ witnessEpoch }: { readonly witnessEpoch: number }): { witnessEpoch: number } {
  return { witnessEpoch: count(witnessEpoch, 'witnessEpoch') }
}

/** The cancel flag, the same on both sides. */
export function cancellation(cancel: { readonly by: string; readonly reason: string }): {
  by: string
  reason: string
} {
  const reason = textBytes(cancel.reason, MESSAGE_BYTES_MAX, 'reason')
  return { by: peerId(cancel.by, 'by'), reason }
}

function leaseToWire(lease: Lease): wire.Lease {
  return loose<wire.Lease>({
    holder: peerId(lease.holder, 'holder'),
    claimId: bytesOf(lease.claimId, ID_BYTES, 'claimId'),
    boot: bytesOf(lease.boot, BOOT_BYTES, 'boot'),
    leaseMs: count(lease.leaseMs, 'leaseMs'),
    adoption: optional(lease.adoption, adoptionToWire)
  })
}

function leaseFromWire(message: wire.Lease): Lease {
  return {
    holder: peerId(message.holder, 'holder'),
    claimId: hexOf(message.claimId, ID_BYTES, 'claimId'),
    boot: hexOf(message.boot, BOOT_BYTES, 'boot'),
    leaseMs: count(message.leaseMs, 'leaseMs'),
    adoption: optional(message.adoption, adoptionFromWire)
  }
}

function adoptionToWire(adoption: Adoption): wire.Adoption {
  return {
    number: count(adoption.number, 'number'),
    opId: bytesOf(adoption.opId, ID_BYTES, 'opId'),
    sig: opSignatureBytes(adoption.sig)
  }
}

function adoptionFromWire(message: wire.Adoption): Adoption {
  return {
    number: count(message.number, 'number'),
    opId: hexOf(message.opId, ID_BYTES, 'opId'),
    sig: opSignatureHex(message.sig)
  }
}

function entryToWire(entry: HistoryEntry): wire.HistoryEntry {
  checkEnd(entry)
  return {
    epoch: count(entry.epoch, 'epoch'),
    holder: peerId(entry.holder, 'holder'),
    claimId: bytesOf(entry.claimId, ID_BYTES, 'claimId'),
    end: leaseEnds.toWire(entry.end),
    opId: bytesOrNone(entry.opId, ID_BYTES, 'opId'),
    argsHash: bytesOrNone(entry.argsHash, HASH_BYTES, 'argsHash'),
    sig: entry.sig === '' ? new Uint8Array(0) : opSignatureBytes(entry.sig)
  }
}

function entryFromWire(message: wire.HistoryEntry): HistoryEntry {
  const entry: HistoryEntry = {
    epoch: count(message.epoch, 'epoch'),
    holder: peerId(message.holder, 'holder'),
    claimId: hexOf(message.claimId, ID_BYTES, 'claimId'),
    end: leaseEnds.fromWire(message.end),
    opId: hexOrNone(message.opId, ID_BYTES, 'opId'),
    argsHash: hexOrNone(message.argsHash, HASH_BYTES, 'argsHash'),
    sig: message.sig.length === 0 ? '' : opSignatureHex(message.sig)
  }
  checkEnd(entry)
  return entry
}

// Proof of an end that nobody signed, or an end without its proof, is never made by a reducer.
function checkEnd({ end, opId, argsHash, sig }: HistoryEntry): void {
  const proofs = [opId, argsHash, sig].filter((text) => text !== '').length
  if (proofs !== (end === 'expired' ? 0 : 3)) refuse('history', `has ${proofs} proofs of ${end}`)
}

function identityToWire(identity: OpIdentity): wire.OpIdentity {
  return {
    opId: bytesOf(identity.opId, ID_BYTES, 'opId'),
    actor: peerId(identity.actor, 'actor')
  }
}

function identityFromWire(message: wire.OpIdentity): OpIdentity {
  return { opId: hexOf(message.opId, ID_BYTES, 'opId'), actor: peerId(message.actor, 'actor') }
}

type Signed = Omit<JobOp, 'body'>
type WireSigned = Omit<wire.JobOp, 'body'>

function signedToWire(op: Signed): WireSigned {
  return {
    ...identityToWire(op),
    argsHash: bytesOf(op.argsHash, HASH_BYTES, 'argsHash'),
    sig: opSignatureBytes(op.sig)
  }
}

function signedFromWire(message: WireSigned): Signed {
  return {
    ...identityFromWire(message),
    argsHash: hexOf(message.argsHash, HASH_BYTES, 'argsHash'),
    sig: opSignatureHex(message.sig)
  }
}
