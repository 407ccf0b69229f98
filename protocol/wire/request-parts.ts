import { MANIFEST_BYTES_MAX, RENEW_ITEMS_MAX, SYNC_ITEMS_MAX } from '../core/limits.ts'
import type { RegisterRequest, RenewItem } from '../core/messages.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { BOOT_BYTES, HASH_BYTES, ID_BYTES, optional, ownBlob, refuse } from './fields.ts'
import { intents } from './register-names.ts'
import {
  readBallot,
  readScope,
  readStage,
  writeBallot,
  writeScope,
  writeStage
} from './scope-parts.ts'
import { readSignature, writeSignature } from './shared-signature.ts'
import { decodeValue, encodeValue } from './value-codec.ts'

type Request<Kind extends RegisterRequest['kind']> = Extract<
  RegisterRequest,
  { readonly kind: Kind }
>

export function writeRequest(writer: FieldWriter, request: RegisterRequest): void {
  switch (request.kind) {
    case 'read':
      writer.message(1, request, writeRead)
      break
    case 'prepare':
      writer.message(2, request, writePrepare)
      break
    case 'accept':
      writer.message(3, request, writeAccept)
      break
    case 'renew':
      writer.message(4, request, writeRenew)
      break
    case 'sync':
      writer.message(5, request, writeSync)
      break
    case 'announcement':
      writer.message(6, request, writeAnnouncement)
      break
    case 'seen':
      writer.message(7, request, writeSeen)
      break
    default:
      refuse('request', `is ${JSON.stringify(request satisfies never)}`)
  }
}

export function readRequest(reader: FieldReader): RegisterRequest {
  return (
    reader.optionalMessage(1, 'read', readRead) ??
    reader.optionalMessage(2, 'prepare', readPrepare) ??
    reader.optionalMessage(3, 'accept', readAccept) ??
    reader.optionalMessage(4, 'renew', readRenew) ??
    reader.optionalMessage(5, 'sync', readSync) ??
    reader.optionalMessage(6, 'announcement', readAnnouncement) ??
    reader.message(7, 'request', readSeen)
  )
}

function writeRead(writer: FieldWriter, request: Request<'read'>): void {
  writer.message(1, request.scope, writeScope)
}

function readRead(reader: FieldReader): Request<'read'> {
  return { kind: 'read', scope: reader.message(1, 'scope', readScope) }
}

function writePrepare(writer: FieldWriter, request: Request<'prepare'>): void {
  writer.name(3, request.intent, intents)
  writer.message(2, request.ballot, writeBallot)
  writer.message(1, request.scope, writeScope)
}

function readPrepare(reader: FieldReader): Request<'prepare'> {
  return {
    kind: 'prepare',
    scope: reader.message(1, 'scope', readScope),
    ballot: reader.message(2, 'ballot', readBallot),
    intent: reader.name(3, intents)
  }
}

function writeAccept(writer: FieldWriter, accept: Request<'accept'>): void {
  writer.optionalBytes(5, 'announcement', accept.announcement, MANIFEST_BYTES_MAX)
  writeSignature(writer, 4, 'proposerSig', accept.proposerSig)
  writer.bytes(3, encodeValue(accept.value))
  writer.message(2, accept.ballot, writeBallot)
  writer.message(1, accept.scope, writeScope)
}

function readAccept(reader: FieldReader): Request<'accept'> {
  return {
    kind: 'accept',
    scope: reader.message(1, 'scope', readScope),
    ballot: reader.message(2, 'ballot', readBallot),
    value: decodeValue(reader.bytes(3, 'value')),
    proposerSig: readSignature(reader, 4, 'proposerSig'),
    announcement: optional(reader.optionalBytes(5, 'announcement'), (bytes) =>
      ownBlob(bytes, MANIFEST_BYTES_MAX, 'announcement')
    )
  }
}

function writeRenew(writer: FieldWriter, request: Request<'renew'>): void {
  writer.count(2, 'seenSeq', request.seenSeq)
  writer.list(1, 'items', RENEW_ITEMS_MAX, request.items, writeItem)
}

function readRenew(reader: FieldReader): Request<'renew'> {
  return {
    kind: 'renew',
    items: reader.list(1, 'items', RENEW_ITEMS_MAX, readItem),
    seenSeq: reader.count(2, 'seenSeq')
  }
}

function writeItem(writer: FieldWriter, item: RenewItem): void {
  writer.message(5, item.stage, writeStage)
  writer.hex(4, 'boot', item.boot, BOOT_BYTES)
  writer.hex(3, 'claimId', item.claimId, ID_BYTES)
  writer.count(2, 'epoch', item.epoch)
  writer.message(1, item.scope, writeScope)
}

function readItem(reader: FieldReader): RenewItem {
  return {
    scope: reader.message(1, 'scope', readScope),
    epoch: reader.count(2, 'epoch'),
    claimId: reader.hex(3, 'claimId', ID_BYTES),
    boot: reader.hex(4, 'boot', BOOT_BYTES),
    stage: reader.message(5, 'stage', readStage)
  }
}

function writeSync(writer: FieldWriter, request: Request<'sync'>): void {
  writer.count(5, 'seenSeq', request.seenSeq)
  writer.flag(4, 'openOnly', request.openOnly)
  writer.count(3, 'limit', request.limit, SYNC_ITEMS_MAX, 1)
  writer.count(2, 'sinceSeq', request.sinceSeq)
  writer.hex(1, 'storeId', request.storeId, ID_BYTES)
}

function readSync(reader: FieldReader): Request<'sync'> {
  return {
    kind: 'sync',
    storeId: reader.hex(1, 'storeId', ID_BYTES),
    sinceSeq: reader.count(2, 'sinceSeq'),
    limit: reader.count(3, 'limit', SYNC_ITEMS_MAX, 1),
    openOnly: reader.flag(4, 'openOnly'),
    seenSeq: reader.count(5, 'seenSeq')
  }
}

function writeAnnouncement(writer: FieldWriter, request: Request<'announcement'>): void {
  writer.hex(1, 'annHash', request.annHash, HASH_BYTES)
}

function readAnnouncement(reader: FieldReader): Request<'announcement'> {
  return { kind: 'announcement', annHash: reader.hex(1, 'annHash', HASH_BYTES) }
}

function writeSeen(writer: FieldWriter, request: Request<'seen'>): void {
  writer.hex(1, 'storeId', request.storeId, ID_BYTES)
}

function readSeen(reader: FieldReader): Request<'seen'> {
  return { kind: 'seen', storeId: reader.hex(1, 'storeId', ID_BYTES) }
}
