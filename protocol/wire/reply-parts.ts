import type { JobState } from '../core/job.ts'
import {
  MANIFEST_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  RENEW_ITEMS_MAX,
  SYNC_ITEMS_MAX
} from '../core/limits.ts'
import type { LeaseView, RegisterReply, RenewResult, SyncItem } from '../core/messages.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { HASH_BYTES, ID_BYTES, optional, ownBlob, refuse } from './fields.ts'
import { rejectCodes, renewAnswers, syncPhases } from './register-names.ts'
import { readBallot, readStage, writeBallot, writeStage } from './scope-parts.ts'
import { decodeValue, encodeValue, readAccepted, writeAccepted } from './value-codec.ts'
import { readCancellation, writeCancellation } from './value-parts.ts'

type Reply<Kind extends RegisterReply['kind']> = Extract<RegisterReply, { readonly kind: Kind }>

export function writeReply(writer: FieldWriter, reply: RegisterReply): void {
  switch (reply.kind) {
    case 'value':
      writer.message(1, reply, writeShown)
      break
    case 'promise':
      writer.message(2, reply, writePromise)
      break
    case 'accepted':
      writer.message(3, reply, writeDone)
      break
    case 'rejected':
      writer.message(4, reply, writeRejected)
      break
    case 'renewed':
      writer.message(5, reply, writeRenewed)
      break
    case 'synced':
      writer.message(6, reply, writeSynced)
      break
    case 'announcement':
      writer.message(7, reply, writeAnnouncement)
      break
    case 'seen':
      writer.message(8, reply, writeSeen)
      break
    default:
      refuse('reply', `is ${JSON.stringify(reply satisfies never)}`)
  }
}

export function readReply(reader: FieldReader): RegisterReply {
  return (
    reader.optionalMessage(1, 'value', readShown) ??
    reader.optionalMessage(2, 'promise', readPromise) ??
    reader.optionalMessage(3, 'accepted', readDone) ??
    reader.optionalMessage(4, 'rejected', readRejected) ??
    reader.optionalMessage(5, 'renewed', readRenewed) ??
    reader.optionalMessage(6, 'synced', readSynced) ??
    reader.optionalMessage(7, 'announcement', readAnnouncement) ??
    reader.message(8, 'reply', readSeen)
  )
}

function writeShown(writer: FieldWriter, reply: Reply<'value'>): void {
  writer.count(4, 'wseq', reply.wseq)
  writer.optionalMessage(3, reply.lease, writeLease)
  writer.message(2, reply.promised, writeBallot)
  writer.optionalMessage(1, reply.accepted, writeAccepted)
}

function readShown(reader: FieldReader): Reply<'value'> {
  return {
    kind: 'value',
    accepted: reader.optionalMessage(1, 'accepted', readAccepted),
    promised: reader.message(2, 'promised', readBallot),
    lease: reader.optionalMessage(3, 'lease', readLease),
    wseq: reader.count(4, 'wseq')
  }
}

function writePromise(writer: FieldWriter, reply: Reply<'promise'>): void {
  writer.count(4, 'wseq', reply.wseq)
  writer.optionalMessage(3, reply.lease, writeLease)
  writer.optionalMessage(2, reply.accepted, writeAccepted)
  writer.message(1, reply.ballot, writeBallot)
}

function readPromise(reader: FieldReader): Reply<'promise'> {
  return {
    kind: 'promise',
    ballot: reader.message(1, 'ballot', readBallot),
    accepted: reader.optionalMessage(2, 'accepted', readAccepted),
    lease: reader.optionalMessage(3, 'lease', readLease),
    wseq: reader.count(4, 'wseq')
  }
}

function writeLease(writer: FieldWriter, lease: LeaseView): void {
  writer.optionalMessage(3, lease.stage, writeStage)
  writer.count(2, 'remainingMs', lease.remainingMs)
  writer.count(1, 'epoch', lease.epoch)
}

function readLease(reader: FieldReader): LeaseView {
  return {
    epoch: reader.count(1, 'epoch'),
    remainingMs: reader.count(2, 'remainingMs'),
    stage: reader.optionalMessage(3, 'stage', readStage)
  }
}

function writeDone(writer: FieldWriter, reply: Reply<'accepted'>): void {
  writer.count(2, 'wseq', reply.wseq)
  writer.message(1, reply.ballot, writeBallot)
}

function readDone(reader: FieldReader): Reply<'accepted'> {
  return {
    kind: 'accepted',
    ballot: reader.message(1, 'ballot', readBallot),
    wseq: reader.count(2, 'wseq')
  }
}

function writeRejected(writer: FieldWriter, reply: Reply<'rejected'>): void {
  writer.textBytes(4, 'detail', reply.detail, MESSAGE_BYTES_MAX)
  writer.optionalCount(3, 'remainingMs', reply.remainingMs)
  writer.optionalMessage(2, reply.promised, writeBallot)
  writer.name(1, reply.code, rejectCodes)
}

function readRejected(reader: FieldReader): Reply<'rejected'> {
  return {
    kind: 'rejected',
    code: reader.name(1, rejectCodes),
    promised: reader.optionalMessage(2, 'promised', readBallot),
    remainingMs: reader.optionalCount(3, 'remainingMs'),
    detail: reader.textBytes(4, 'detail', MESSAGE_BYTES_MAX)
  }
}

function writeRenewed(writer: FieldWriter, reply: Reply<'renewed'>): void {
  writer.list(1, 'items', RENEW_ITEMS_MAX, reply.items, writeResult)
}

function readRenewed(reader: FieldReader): Reply<'renewed'> {
  return { kind: 'renewed', items: reader.list(1, 'items', RENEW_ITEMS_MAX, readResult) }
}

function writeResult(writer: FieldWriter, result: RenewResult): void {
  const { moved } = result
  if (moved !== undefined) writer.bytes(5, encodeValue(moved))
  writer.optionalMessage(4, result.cancel, writeCancellation)
  writer.count(3, 'version', result.version)
  writer.name(2, result.answer, renewAnswers)
  writer.register(1, 'register', result.register)
}

function readResult(reader: FieldReader): RenewResult {
  return {
    register: reader.register(1, 'register'),
    answer: reader.name(2, renewAnswers),
    version: reader.count(3, 'version'),
    cancel: reader.optionalMessage(4, 'cancel', readCancellation),
    moved: optional(reader.optionalBytes(5, 'moved'), movedJob)
  }
}

/** A value of any other kind says nothing about a renewal. */
function movedJob(bytes: Uint8Array): JobState {
  const value = decodeValue(bytes)
  return value.kind === 'job' && value.phase === 'moved' ? value : refuse('moved', 'is no such job')
}

function writeSynced(writer: FieldWriter, reply: Reply<'synced'>): void {
  writer.flag(4, 'more', reply.more)
  writer.count(3, 'next', reply.next)
  writer.list(2, 'items', SYNC_ITEMS_MAX, reply.items, writeItem)
  writer.hex(1, 'storeId', reply.storeId, ID_BYTES)
}

function readSynced(reader: FieldReader): Reply<'synced'> {
  return {
    kind: 'synced',
    storeId: reader.hex(1, 'storeId', ID_BYTES),
    items: reader.list(2, 'items', SYNC_ITEMS_MAX, readItem),
    next: reader.count(3, 'next'),
    more: reader.flag(4, 'more')
  }
}

function writeItem(writer: FieldWriter, item: SyncItem): void {
  writer.hexOrNone(6, 'annHash', item.annHash, HASH_BYTES)
  writer.name(5, item.phase, syncPhases)
  writer.count(4, 'version', item.version)
  writer.count(3, 'seq', item.seq)
  writer.count(2, 'witnessEpoch', item.witnessEpoch)
  writer.register(1, 'register', item.register)
}

function readItem(reader: FieldReader): SyncItem {
  return {
    register: reader.register(1, 'register'),
    witnessEpoch: reader.count(2, 'witnessEpoch'),
    seq: reader.count(3, 'seq'),
    version: reader.count(4, 'version'),
    phase: reader.name(5, syncPhases),
    annHash: reader.hexOrNone(6, 'annHash', HASH_BYTES)
  }
}

function writeAnnouncement(writer: FieldWriter, reply: Reply<'announcement'>): void {
  writer.optionalBytes(1, 'announcement', reply.bytes, MANIFEST_BYTES_MAX)
}

function readAnnouncement(reader: FieldReader): Reply<'announcement'> {
  return {
    kind: 'announcement',
    bytes: optional(reader.optionalBytes(1, 'announcement'), (bytes) =>
      ownBlob(bytes, MANIFEST_BYTES_MAX, 'announcement')
    )
  }
}

function writeSeen(writer: FieldWriter, reply: Reply<'seen'>): void {
  writer.count(1, 'seq', reply.seq)
}

function readSeen(reader: FieldReader): Reply<'seen'> {
  return { kind: 'seen', seq: reader.count(1, 'seq') }
}
