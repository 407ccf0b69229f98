import { RETRIES_MAX } from '../core/graph-limits.ts'
import type {
  Adoption,
  Cancellation,
  HistoryEntry,
  JobOp,
  JobState,
  Lease,
  OpIdentity,
  SignedOp
} from '../core/job.ts'
import { ATTEMPTS_MAX, HISTORY_ENTRIES_MAX, LAST_OPS_MAX } from '../core/limits.ts'
import type { RegisterValue } from '../core/messages.ts'
import type { RunOp, RunState } from '../core/run.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { BOOT_BYTES, HASH_BYTES, ID_BYTES, refuse } from './fields.ts'
import {
  readCancelTerms,
  readJobBody,
  readRunBody,
  writeCancelTerms,
  writeJobBody,
  writeRunBody
} from './op-parts.ts'
import { readOutcome, writeOutcome } from './outcome-parts.ts'
import { jobPhases, leaseEnds } from './register-names.ts'
import { readSignature, writeSignature } from './shared-signature.ts'

type Moved = NonNullable<JobState['moved']>

export function writeValue(writer: FieldWriter, value: RegisterValue): void {
  if (value.kind === 'job') writer.message(1, value, writeJob)
  else writer.message(2, value, writeRun)
}

export function readValue(reader: FieldReader): RegisterValue {
  return reader.optionalMessage(1, 'job', readJob) ?? reader.message(2, 'value', readRun)
}

function writeJob(writer: FieldWriter, job: JobState): void {
  const { retriesMax = 0, retries = 0 } = job
  writer.count(17, 'retries', retries, retriesMax)
  writer.count(16, 'retriesMax', retriesMax, RETRIES_MAX)
  writer.optionalMessage(15, job.moved, writeMoved)
  writer.message(14, job.op, writeJobOp)
  writer.list(13, 'lastOps', LAST_OPS_MAX, job.lastOps, writeIdentity)
  writer.list(12, 'history', HISTORY_ENTRIES_MAX, job.history, writeEntry)
  writer.optionalMessage(11, job.outcome, writeOutcome)
  writer.optionalMessage(10, job.cancel, writeCancellation)
  writer.optionalMessage(9, job.lease, writeLease)
  writer.count(8, 'attemptsMax', job.attemptsMax, ATTEMPTS_MAX)
  writer.count(7, 'attempts', job.attempts, ATTEMPTS_MAX)
  writer.count(6, 'epoch', job.epoch)
  writer.name(5, job.phase, jobPhases)
  writer.hex(4, 'annHash', job.annHash, HASH_BYTES)
  writer.hexOrNone(3, 'prevHash', job.prevHash, HASH_BYTES)
  writer.count(2, 'version', job.version)
  writer.jobId(1, 'register', job.register)
}

function readJob(reader: FieldReader): JobState {
  const job = readMost(reader)
  const retriesMax = reader.count(16, 'retriesMax', RETRIES_MAX)
  const retries = reader.count(17, 'retries', retriesMax)
  // Most have none: nothing is made anew for them.
  if (retriesMax === 0) return job
  return { ...job, retriesMax, ...(retries === 0 ? {} : { retries }) }
}

function readMost(reader: FieldReader): JobState {
  return {
    kind: 'job',
    register: reader.jobId(1, 'register'),
    version: reader.count(2, 'version'),
    prevHash: reader.hexOrNone(3, 'prevHash', HASH_BYTES),
    annHash: reader.hex(4, 'annHash', HASH_BYTES),
    phase: reader.name(5, jobPhases),
    epoch: reader.count(6, 'epoch'),
    attempts: reader.count(7, 'attempts', ATTEMPTS_MAX),
    attemptsMax: reader.count(8, 'attemptsMax', ATTEMPTS_MAX),
    lease: reader.optionalMessage(9, 'lease', readLease),
    cancel: reader.optionalMessage(10, 'cancel', readCancellation),
    outcome: reader.optionalMessage(11, 'outcome', readOutcome),
    history: reader.list(12, 'history', HISTORY_ENTRIES_MAX, readEntry),
    lastOps: reader.list(13, 'lastOps', LAST_OPS_MAX, readIdentity),
    op: reader.message(14, 'op', readJobOp),
    moved: reader.optionalMessage(15, 'moved', readMoved)
  }
}

function writeRun(writer: FieldWriter, run: RunState): void {
  writer.optionalCount(6, 'supersededBy', run.supersededBy)
  writer.message(5, run.op, writeRunOp)
  writer.hexOrNone(4, 'annHash', run.annHash, HASH_BYTES)
  writer.hexOrNone(3, 'prevHash', run.prevHash, HASH_BYTES)
  writer.count(2, 'version', run.version)
  writer.runId(1, 'register', run.register)
}

function readRun(reader: FieldReader): RunState {
  const register = reader.runId(1, 'register')
  const version = reader.count(2, 'version')
  const prevHash = reader.hexOrNone(3, 'prevHash', HASH_BYTES)
  const annHash = reader.hexOrNone(4, 'annHash', HASH_BYTES)
  const op = reader.message(5, 'op', readRunOp)
  const supersededBy = reader.optionalCount(6, 'supersededBy')
  const phase = supersededBy === undefined ? 'run' : 'superseded'
  return { kind: 'run', register, version, prevHash, phase, annHash, op, supersededBy }
}

/** Where a job has moved to. */
function writeMoved(writer: FieldWriter, moved: Moved): void {
  writer.count(1, 'witnessEpoch', moved.witnessEpoch)
}

function readMoved(reader: FieldReader): Moved {
  return { witnessEpoch: reader.count(1, 'witnessEpoch') }
}

/** The cancel flag. */
export function writeCancellation(writer: FieldWriter, cancel: Cancellation): void {
  writeCancelTerms(writer, cancel, 2)
  writer.peerId(1, 'by', cancel.by)
}

export function readCancellation(reader: FieldReader): Cancellation {
  return { by: reader.peerId(1, 'by'), ...readCancelTerms(reader, 2) }
}

function writeLease(writer: FieldWriter, lease: Lease): void {
  writer.optionalMessage(5, lease.adoption, writeAdoption)
  writer.count(4, 'leaseMs', lease.leaseMs)
  writer.hex(3, 'boot', lease.boot, BOOT_BYTES)
  writer.hex(2, 'claimId', lease.claimId, ID_BYTES)
  writer.peerId(1, 'holder', lease.holder)
}

function readLease(reader: FieldReader): Lease {
  return {
    holder: reader.peerId(1, 'holder'),
    claimId: reader.hex(2, 'claimId', ID_BYTES),
    boot: reader.hex(3, 'boot', BOOT_BYTES),
    leaseMs: reader.count(4, 'leaseMs'),
    adoption: reader.optionalMessage(5, 'adoption', readAdoption)
  }
}

function writeAdoption(writer: FieldWriter, adoption: Adoption): void {
  writeSignature(writer, 3, 'sig', adoption.sig)
  writer.hex(2, 'opId', adoption.opId, ID_BYTES)
  writer.count(1, 'number', adoption.number)
}

function readAdoption(reader: FieldReader): Adoption {
  return {
    number: reader.count(1, 'number'),
    opId: reader.hex(2, 'opId', ID_BYTES),
    sig: readSignature(reader, 3, 'sig')
  }
}

function writeEntry(writer: FieldWriter, entry: HistoryEntry): void {
  checkEnd(entry)
  if (entry.sig !== '') writeSignature(writer, 7, 'sig', entry.sig)
  writer.hexOrNone(6, 'argsHash', entry.argsHash, HASH_BYTES)
  writer.hexOrNone(5, 'opId', entry.opId, ID_BYTES)
  writer.name(4, entry.end, leaseEnds)
  writer.hex(3, 'claimId', entry.claimId, ID_BYTES)
  writer.peerId(2, 'holder', entry.holder)
  writer.count(1, 'epoch', entry.epoch)
}

function readEntry(reader: FieldReader): HistoryEntry {
  const entry: HistoryEntry = {
    epoch: reader.count(1, 'epoch'),
    holder: reader.peerId(2, 'holder'),
    claimId: reader.hex(3, 'claimId', ID_BYTES),
    end: reader.name(4, leaseEnds),
    opId: reader.hexOrNone(5, 'opId', ID_BYTES),
    argsHash: reader.hexOrNone(6, 'argsHash', HASH_BYTES),
    sig: reader.isNext(7) ? readSignature(reader, 7, 'sig') : ''
  }
  checkEnd(entry)
  return entry
}

// Proof of an end that nobody signed, or an end without its proof, is never made by a reducer.
function checkEnd({ end, opId, argsHash, sig }: HistoryEntry): void {
  const isRight =
    end === 'expired'
      ? opId === '' && argsHash === '' && sig === ''
      : opId !== '' && argsHash !== '' && sig !== ''
  if (!isRight) refuse('history', `has not the proofs of ${end}`)
}

function writeIdentity(writer: FieldWriter, identity: OpIdentity): void {
  writer.peerId(2, 'actor', identity.actor)
  writer.hex(1, 'opId', identity.opId, ID_BYTES)
}

function readIdentity(reader: FieldReader): OpIdentity {
  return { opId: reader.hex(1, 'opId', ID_BYTES), actor: reader.peerId(2, 'actor') }
}

function writeJobOp(writer: FieldWriter, op: JobOp): void {
  writeProof(writer, op)
  writer.message(3, op.body, writeJobBody)
  writeIdentity(writer, op)
}

function readJobOp(reader: FieldReader): JobOp {
  return {
    opId: reader.hex(1, 'opId', ID_BYTES),
    actor: reader.peerId(2, 'actor'),
    body: reader.message(3, 'body', readJobBody),
    argsHash: reader.hex(4, 'argsHash', HASH_BYTES),
    sig: readSignature(reader, 5, 'sig')
  }
}

function writeRunOp(writer: FieldWriter, op: RunOp): void {
  writeProof(writer, op)
  writer.message(3, op.body, writeRunBody)
  writeIdentity(writer, op)
}

function readRunOp(reader: FieldReader): RunOp {
  return {
    opId: reader.hex(1, 'opId', ID_BYTES),
    actor: reader.peerId(2, 'actor'),
    body: reader.message(3, 'body', readRunBody),
    argsHash: reader.hex(4, 'argsHash', HASH_BYTES),
    sig: readSignature(reader, 5, 'sig')
  }
}

/** What makes an op believed, behind its body. */
function writeProof(writer: FieldWriter, op: SignedOp<unknown>): void {
  writeSignature(writer, 5, 'sig', op.sig)
  writer.hex(4, 'argsHash', op.argsHash, HASH_BYTES)
}
