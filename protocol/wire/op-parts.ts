import { CANCEL_GRACE_MS_MAX } from '../core/follow-limits.ts'
import { RETRIES_MAX } from '../core/graph-limits.ts'
import type { CancelTerms, JobOpBody } from '../core/job.ts'
import { ATTEMPTS_MAX, MESSAGE_BYTES_MAX } from '../core/limits.ts'
import type { RunOpBody } from '../core/run.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { BOOT_BYTES, HASH_BYTES, ID_BYTES, refuse } from './fields.ts'
import { readOutcome, writeOutcome } from './outcome-parts.ts'
import { reasons } from './register-names.ts'

type Body<Kind extends JobOpBody['kind']> = Extract<JobOpBody, { readonly kind: Kind }>
type RunBody<Kind extends RunOpBody['kind']> = Extract<RunOpBody, { readonly kind: Kind }>

export function writeJobBody(writer: FieldWriter, body: JobOpBody): void {
  switch (body.kind) {
    case 'create':
      writer.message(1, body, writeCreate)
      break
    case 'claim':
      writer.message(2, body, writeClaim)
      break
    case 'complete':
      writer.message(3, body, writeComplete)
      break
    case 'release':
      writer.message(4, body, writeRelease)
      break
    case 'cancel':
      writer.message(5, body, writeCancel)
      break
    case 'error':
      writer.message(6, body, writeError)
      break
    case 'adopt':
      writer.message(7, body, writeAdopt)
      break
    case 'reaffirm':
      writer.message(8, body, writeReaffirm)
      break
    case 'skip':
      writer.message(9, body, writeReason)
      break
    case 'move':
      writer.message(10, body, writeMove)
      break
    default:
      refuse('op', `is ${JSON.stringify(body satisfies never)}`)
  }
}

export function readJobBody(reader: FieldReader): JobOpBody {
  return (
    reader.optionalMessage(1, 'create', readCreate) ??
    reader.optionalMessage(2, 'claim', readClaim) ??
    reader.optionalMessage(3, 'complete', readComplete) ??
    reader.optionalMessage(4, 'release', readRelease) ??
    reader.optionalMessage(5, 'cancel', readCancel) ??
    reader.optionalMessage(6, 'error', readError) ??
    reader.optionalMessage(7, 'adopt', readAdopt) ??
    reader.optionalMessage(8, 'reaffirm', readReaffirm) ??
    reader.optionalMessage(9, 'skip', readSkip) ??
    reader.message(10, 'body', readMove)
  )
}

export function writeRunBody(writer: FieldWriter, body: RunOpBody): void {
  if (body.kind === 'create') writer.message(1, body, writeRunCreate)
  else writer.message(2, body, writeSeal)
}

export function readRunBody(reader: FieldReader): RunOpBody {
  return reader.optionalMessage(1, 'create', readRunCreate) ?? reader.message(2, 'body', readSeal)
}

function writeCreate(writer: FieldWriter, body: Body<'create'>): void {
  writer.count(3, 'retriesMax', body.retriesMax ?? 0, RETRIES_MAX)
  writer.count(2, 'attemptsMax', body.attemptsMax, ATTEMPTS_MAX)
  writer.hex(1, 'annHash', body.annHash, HASH_BYTES)
}

function readCreate(reader: FieldReader): Body<'create'> {
  const annHash = reader.hex(1, 'annHash', HASH_BYTES)
  const attemptsMax = reader.count(2, 'attemptsMax', ATTEMPTS_MAX)
  const retriesMax = reader.count(3, 'retriesMax', RETRIES_MAX)
  return { kind: 'create', annHash, attemptsMax, ...(retriesMax === 0 ? {} : { retriesMax }) }
}

function writeClaim(writer: FieldWriter, body: Body<'claim'>): void {
  writer.count(3, 'leaseMs', body.leaseMs)
  writer.hex(2, 'boot', body.boot, BOOT_BYTES)
  writer.hex(1, 'claimId', body.claimId, ID_BYTES)
}

function readClaim(reader: FieldReader): Body<'claim'> {
  return {
    kind: 'claim',
    claimId: reader.hex(1, 'claimId', ID_BYTES),
    boot: reader.hex(2, 'boot', BOOT_BYTES),
    leaseMs: reader.count(3, 'leaseMs')
  }
}

function writeComplete(writer: FieldWriter, body: Body<'complete'>): void {
  writer.message(3, body.outcome, writeOutcome)
  writeEnd(writer, body)
}

function readComplete(reader: FieldReader): Body<'complete'> {
  return {
    kind: 'complete',
    epoch: reader.count(1, 'epoch'),
    claimId: reader.hex(2, 'claimId', ID_BYTES),
    outcome: reader.message(3, 'outcome', readOutcome)
  }
}

function writeRelease(writer: FieldWriter, body: Body<'release'>): void {
  writer.flag(4, 'userCodeRan', body.userCodeRan)
  writer.name(3, body.reason, reasons)
  writeEnd(writer, body)
}

function readRelease(reader: FieldReader): Body<'release'> {
  return {
    kind: 'release',
    epoch: reader.count(1, 'epoch'),
    claimId: reader.hex(2, 'claimId', ID_BYTES),
    reason: reader.name(3, reasons),
    userCodeRan: reader.flag(4, 'userCodeRan')
  }
}

/** In an order and in the flag that it leaves: the reason is field `first`, the grace the next. */
export function writeCancelTerms(writer: FieldWriter, terms: CancelTerms, first: number): void {
  writer.optionalCount(first + 1, 'graceMs', terms.graceMs, CANCEL_GRACE_MS_MAX, 1)
  writer.textBytes(first, 'reason', terms.reason, MESSAGE_BYTES_MAX)
}

export function readCancelTerms(reader: FieldReader, first: number): CancelTerms {
  const reason = reader.textBytes(first, 'reason', MESSAGE_BYTES_MAX)
  const graceMs = reader.optionalCount(first + 1, 'graceMs', CANCEL_GRACE_MS_MAX, 1)
  return graceMs === undefined ? { reason } : { reason, graceMs }
}

function writeCancel(writer: FieldWriter, body: Body<'cancel'>): void {
  writeCancelTerms(writer, body, 1)
}

function readCancel(reader: FieldReader): Body<'cancel'> {
  return { kind: 'cancel', ...readCancelTerms(reader, 1) }
}

function writeError(writer: FieldWriter, body: Body<'error'>): void {
  writer.textBytes(2, 'message', body.message, MESSAGE_BYTES_MAX)
  writer.name(1, body.reason, reasons)
}

function readError(reader: FieldReader): Body<'error'> {
  return {
    kind: 'error',
    reason: reader.name(1, reasons),
    message: reader.textBytes(2, 'message', MESSAGE_BYTES_MAX)
  }
}

function writeAdopt(writer: FieldWriter, body: Body<'adopt'>): void {
  writer.count(4, 'number', body.number)
  writeReaffirm(writer, body)
}

function readAdopt(reader: FieldReader): Body<'adopt'> {
  return {
    kind: 'adopt',
    epoch: reader.count(1, 'epoch'),
    claimId: reader.hex(2, 'claimId', ID_BYTES),
    boot: reader.hex(3, 'boot', BOOT_BYTES),
    number: reader.count(4, 'number')
  }
}

function writeReaffirm(writer: FieldWriter, body: Body<'adopt' | 'reaffirm'>): void {
  writer.hex(3, 'boot', body.boot, BOOT_BYTES)
  writeEnd(writer, body)
}

function readReaffirm(reader: FieldReader): Body<'reaffirm'> {
  return {
    kind: 'reaffirm',
    epoch: reader.count(1, 'epoch'),
    claimId: reader.hex(2, 'claimId', ID_BYTES),
    boot: reader.hex(3, 'boot', BOOT_BYTES)
  }
}

function readSkip(reader: FieldReader): Body<'skip'> {
  return { kind: 'skip', reason: reader.textBytes(1, 'reason', MESSAGE_BYTES_MAX) }
}

function writeMove(writer: FieldWriter, body: Body<'move'>): void {
  writer.textBytes(2, 'reason', body.reason, MESSAGE_BYTES_MAX)
  writer.count(1, 'witnessEpoch', body.witnessEpoch)
}

function readMove(reader: FieldReader): Body<'move'> {
  return {
    kind: 'move',
    witnessEpoch: reader.count(1, 'witnessEpoch'),
    reason: reader.textBytes(2, 'reason', MESSAGE_BYTES_MAX)
  }
}

function writeReason(writer: FieldWriter, body: Body<'skip'>): void {
  writer.textBytes(1, 'reason', body.reason, MESSAGE_BYTES_MAX)
}

/** Which lease the op ends, or takes on. */
function writeEnd(
  writer: FieldWriter,
  end: { readonly epoch: number; readonly claimId: string }
): void {
  writer.hex(2, 'claimId', end.claimId, ID_BYTES)
  writer.count(1, 'epoch', end.epoch)
}

function writeRunCreate(writer: FieldWriter, body: RunBody<'create'>): void {
  writer.hex(1, 'annHash', body.annHash, HASH_BYTES)
}

function readRunCreate(reader: FieldReader): RunBody<'create'> {
  return { kind: 'create', annHash: reader.hex(1, 'annHash', HASH_BYTES) }
}

function writeSeal(writer: FieldWriter, body: RunBody<'seal'>): void {
  writer.count(1, 'witnessEpoch', body.witnessEpoch)
}

function readSeal(reader: FieldReader): RunBody<'seal'> {
  return { kind: 'seal', witnessEpoch: reader.count(1, 'witnessEpoch') }
}
