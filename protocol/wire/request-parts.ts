import { MANIFEST_BYTES_MAX, RENEW_ITEMS_MAX, SYNC_ITEMS_MAX } from '../core/limits.ts'
import type { RegisterRequest, RenewItem } from '../core/messages.ts'
import { type Limits, loose } from './codec.ts'
import {
  BOOT_BYTES,
  blob,
  bytesOf,
  count,
  HASH_BYTES,
  hexOf,
  ID_BYTES,
  list,
  need,
  optional,
  ownBlob,
  plain,
  refuse,
  SIGNATURE_BYTES
} from './fields.ts'
import type * as wire from './generated/register.ts'
import { intents } from './register-names.ts'
import {
  ballotFromWire,
  ballotToWire,
  scopeFromWire,
  scopeToWire,
  stageFromWire,
  stageToWire
} from './scope-parts.ts'
import { decodeValue, encodeValue } from './value-codec.ts'

export const REQUEST_LIMITS = {
  renew: { items: RENEW_ITEMS_MAX }
} satisfies Limits<wire.RegisterRequest>

type Accept = Extract<RegisterRequest, { readonly kind: 'accept' }>

export function requestToWire(request: RegisterRequest): wire.RegisterRequest {
  switch (request.kind) {
    case 'read':
      return { read: { scope: scopeToWire(request.scope) } }
    case 'prepare': {
      const scope = scopeToWire(request.scope)
      const ballot = ballotToWire(request.ballot)
      return { prepare: { scope, ballot, intent: intents.toWire(request.intent) } }
    }
    case 'accept':
      return { accept: acceptToWire(request) }
    case 'renew':
      return {
        renew: {
          items: list(request.items, RENEW_ITEMS_MAX, 'items', itemToWire),
          seenSeq: count(request.seenSeq, 'seenSeq')
        }
      }
    case 'sync':
      return {
        sync: {
          storeId: bytesOf(request.storeId, ID_BYTES, 'storeId'),
          sinceSeq: count(request.sinceSeq, 'sinceSeq'),
          limit: count(request.limit, 'limit', SYNC_ITEMS_MAX, 1),
          openOnly: request.openOnly,
          seenSeq: count(request.seenSeq, 'seenSeq')
        }
      }
    case 'announcement':
      return { announcement: { annHash: bytesOf(request.annHash, HASH_BYTES, 'annHash') } }
    case 'seen':
      return { seen: { storeId: bytesOf(request.storeId, ID_BYTES, 'storeId') } }
    default:
      return refuse('request', `is ${JSON.stringify(request satisfies never)}`)
  }
}

export function requestFromWire(message: wire.RegisterRequest): RegisterRequest {
  const { read, prepare, accept, renew, sync, announcement, seen } = message
  if (read !== undefined) return { kind: 'read', scope: scopeFromWire(read.scope) }
  if (prepare !== undefined) {
    const scope = scopeFromWire(prepare.scope)
    const ballot = ballotFromWire(prepare.ballot)
    return { kind: 'prepare', scope, ballot, intent: intents.fromWire(prepare.intent) }
  }
  if (accept !== undefined) return acceptFromWire(accept)
  if (renew !== undefined) {
    const items = list(renew.items, RENEW_ITEMS_MAX, 'items', itemFromWire)
    return { kind: 'renew', items, seenSeq: count(renew.seenSeq, 'seenSeq') }
  }
  if (sync !== undefined) {
    return {
      kind: 'sync',
      storeId: hexOf(sync.storeId, ID_BYTES, 'storeId'),
      sinceSeq: count(sync.sinceSeq, 'sinceSeq'),
      limit: count(sync.limit, 'limit', SYNC_ITEMS_MAX, 1),
      openOnly: sync.openOnly,
      seenSeq: count(sync.seenSeq, 'seenSeq')
    }
  }
  if (seen !== undefined) return { kind: 'seen', storeId: hexOf(seen.storeId, ID_BYTES, 'storeId') }
  const { annHash } = need(announcement, 'request')
  return { kind: 'announcement', annHash: hexOf(annHash, HASH_BYTES, 'annHash') }
}

function acceptToWire(accept: Accept): wire.AcceptRequest {
  return loose<wire.AcceptRequest>({
    scope: scopeToWire(accept.scope),
    ballot: ballotToWire(accept.ballot),
    value: plain(encodeValue(accept.value)),
    proposerSig: bytesOf(accept.proposerSig, SIGNATURE_BYTES, 'proposerSig'),
    announcement: optional(accept.announcement, (bytes) =>
      blob(bytes, MANIFEST_BYTES_MAX, 'announcement')
    )
  })
}

function acceptFromWire(accept: wire.AcceptRequest): Accept {
  return {
    kind: 'accept',
    scope: scopeFromWire(accept.scope),
    ballot: ballotFromWire(accept.ballot),
    value: decodeValue(accept.value),
    proposerSig: hexOf(accept.proposerSig, SIGNATURE_BYTES, 'proposerSig'),
    announcement: optional(accept.announcement, (bytes) =>
      ownBlob(bytes, MANIFEST_BYTES_MAX, 'announcement')
    )
  }
}

function itemToWire(item: RenewItem): wire.RenewItem {
  return {
    scope: scopeToWire(item.scope),
    epoch: count(item.epoch, 'epoch'),
    claimId: bytesOf(item.claimId, ID_BYTES, 'claimId'),
    boot: bytesOf(item.boot, BOOT_BYTES, 'boot'),
    stage: stageToWire(item.stage)
  }
}

function itemFromWire(message: wire.RenewItem): RenewItem {
  return {
    scope: scopeFromWire(message.scope),
    epoch: count(message.epoch, 'epoch'),
    claimId: hexOf(message.claimId, ID_BYTES, 'claimId'),
    boot: hexOf(message.boot, BOOT_BYTES, 'boot'),
    stage: stageFromWire(need(message.stage, 'stage'))
  }
}
