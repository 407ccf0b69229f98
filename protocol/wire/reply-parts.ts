import type { JobState } from '../core/job.ts'
import {
  MANIFEST_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  RENEW_ITEMS_MAX,
  SYNC_ITEMS_MAX
} from '../core/limits.ts'
import type { LeaseView, RegisterReply, RenewResult, SyncItem } from '../core/messages.ts'
import { type Limits, loose } from './codec.ts'
import {
  blob,
  bytesOf,
  bytesOrNone,
  count,
  HASH_BYTES,
  hexOf,
  hexOrNone,
  ID_BYTES,
  list,
  need,
  optional,
  ownBlob,
  plain,
  refuse,
  register,
  textBytes
} from './fields.ts'
import type * as wire from './generated/register.ts'
import { rejectCodes, renewAnswers, syncPhases } from './register-names.ts'
import { ballotFromWire, ballotToWire, stageFromWire, stageToWire } from './scope-parts.ts'
import { acceptedFromWire, acceptedToWire, decodeValue, encodeValue } from './value-codec.ts'
import { cancellation } from './value-parts.ts'

export const REPLY_LIMITS = {
  renewed: { items: RENEW_ITEMS_MAX },
  synced: { items: SYNC_ITEMS_MAX }
} satisfies Limits<wire.RegisterReply>

type Reply<Kind extends RegisterReply['kind']> = Extract<RegisterReply, { readonly kind: Kind }>

export function replyToWire(reply: RegisterReply): wire.RegisterReply {
  switch (reply.kind) {
    case 'value':
      return { value: { ...knownToWire(reply), promised: ballotToWire(reply.promised) } }
    case 'promise':
      return { promise: { ...knownToWire(reply), ballot: ballotToWire(reply.ballot) } }
    case 'accepted':
      return { accepted: { ballot: ballotToWire(reply.ballot), wseq: count(reply.wseq, 'wseq') } }
    case 'rejected':
      return { rejected: rejectedToWire(reply) }
    case 'renewed':
      return { renewed: { items: list(reply.items, RENEW_ITEMS_MAX, 'items', resultToWire) } }
    case 'synced':
      return { synced: syncedToWire(reply) }
    case 'announcement': {
      const bytes = optional(reply.bytes, (it) => blob(it, MANIFEST_BYTES_MAX, 'announcement'))
      return { announcement: loose<wire.AnnouncementReply>({ bytes }) }
    }
    case 'seen':
      return { seen: { seq: count(reply.seq, 'seq') } }
    default:
      return refuse('reply', `is ${JSON.stringify(reply satisfies never)}`)
  }
}

export function replyFromWire(message: wire.RegisterReply): RegisterReply {
  const { value, promise, accepted, rejected, renewed, synced, announcement, seen } = message
  if (value !== undefined) {
    const promised = ballotFromWire(value.promised)
    return { kind: 'value', ...knownFromWire(value), promised }
  }
  if (promise !== undefined) {
    return { kind: 'promise', ...knownFromWire(promise), ballot: ballotFromWire(promise.ballot) }
  }
  if (accepted !== undefined) {
    const wseq = count(accepted.wseq, 'wseq')
    return { kind: 'accepted', ballot: ballotFromWire(accepted.ballot), wseq }
  }
  if (rejected !== undefined) return rejectedFromWire(rejected)
  if (renewed !== undefined) {
    return { kind: 'renewed', items: list(renewed.items, RENEW_ITEMS_MAX, 'items', resultFromWire) }
  }
  if (synced !== undefined) return syncedFromWire(synced)
  if (seen !== undefined) return { kind: 'seen', seq: count(seen.seq, 'seq') }
  const { bytes } = need(announcement, 'reply')
  return {
    kind: 'announcement',
    bytes: optional(bytes, (it) => ownBlob(it, MANIFEST_BYTES_MAX, 'announcement'))
  }
}

type Known = Pick<Reply<'value'>, 'accepted' | 'lease' | 'wseq'>
type WireKnown = Pick<wire.ValueReply, 'accepted' | 'lease' | 'wseq'>

function knownToWire(known: Known): WireKnown {
  return loose<WireKnown>({
    accepted: optional(known.accepted, acceptedToWire),
    lease: optional(known.lease, leaseToWire),
    wseq: count(known.wseq, 'wseq')
  })
}

function knownFromWire(message: WireKnown): Known {
  return {
    accepted: optional(message.accepted, acceptedFromWire),
    lease: optional(message.lease, leaseFromWire),
    wseq: count(message.wseq, 'wseq')
  }
}

function leaseToWire(lease: LeaseView): wire.LeaseView {
  return loose<wire.LeaseView>({
    epoch: count(lease.epoch, 'epoch'),
    remainingMs: count(lease.remainingMs, 'remainingMs'),
    stage: optional(lease.stage, stageToWire)
  })
}

function leaseFromWire(message: wire.LeaseView): LeaseView {
  return {
    epoch: count(message.epoch, 'epoch'),
    remainingMs: count(message.remainingMs, 'remainingMs'),
    stage: optional(message.stage, stageFromWire)
  }
}

function rejectedToWire(reply: Reply<'rejected'>): wire.RejectedReply {
  return loose<wire.RejectedReply>({
    code: rejectCodes.toWire(reply.code),
    promised: optional(reply.promised, ballotToWire),
    remainingMs: optional(reply.remainingMs, (ms) => count(ms, 'remainingMs')),
    detail: textBytes(reply.detail, MESSAGE_BYTES_MAX, 'detail')
  })
}

function rejectedFromWire(message: wire.RejectedReply): Reply<'rejected'> {
  return {
    kind: 'rejected',
    code: rejectCodes.fromWire(message.code),
    promised: optional(message.promised, ballotFromWire),
    remainingMs: optional(message.remainingMs, (ms) => count(ms, 'remainingMs')),
    detail: textBytes(message.detail, MESSAGE_BYTES_MAX, 'detail')
  }
}

function resultToWire(result: RenewResult): wire.RenewResult {
  return loose<wire.RenewResult>({
    register: register(result.register),
    answer: renewAnswers.toWire(result.answer),
    version: count(result.version, 'version'),
    cancel: optional(result.cancel, cancellation),
    moved: optional(result.moved, (state) => plain(encodeValue(state)))
  })
}

function resultFromWire(message: wire.RenewResult): RenewResult {
  return {
    register: register(message.register),
    answer: renewAnswers.fromWire(message.answer),
    version: count(message.version, 'version'),
    cancel: optional(message.cancel, cancellation),
    moved: optional(message.moved, movedFromWire)
  }
}

/** A value of any other kind says nothing about a renewal. */
function movedFromWire(bytes: Uint8Array): JobState {
  const value = decodeValue(bytes)
  return value.kind === 'job' && value.phase === 'moved' ? value : refuse('moved', 'is no such job')
}

function syncedToWire(reply: Reply<'synced'>): wire.SyncedReply {
  return {
    storeId: bytesOf(reply.storeId, ID_BYTES, 'storeId'),
    items: list(reply.items, SYNC_ITEMS_MAX, 'items', itemToWire),
    next: count(reply.next, 'next'),
    more: reply.more
  }
}

function syncedFromWire(message: wire.SyncedReply): Reply<'synced'> {
  return {
    kind: 'synced',
    storeId: hexOf(message.storeId, ID_BYTES, 'storeId'),
    items: list(message.items, SYNC_ITEMS_MAX, 'items', itemFromWire),
    next: count(message.next, 'next'),
    more: message.more
  }
}

function itemToWire(item: SyncItem): wire.SyncItem {
  return {
    register: register(item.register),
    witnessEpoch: count(item.witnessEpoch, 'witnessEpoch'),
    seq: count(item.seq, 'seq'),
    version: count(item.version, 'version'),
    phase: syncPhases.toWire(item.phase),
    annHash: bytesOrNone(item.annHash, HASH_BYTES, 'annHash')
  }
}

function itemFromWire(message: wire.SyncItem): SyncItem {
  return {
    register: register(message.register),
    witnessEpoch: count(message.witnessEpoch, 'witnessEpoch'),
    seq: count(message.seq, 'seq'),
    version: count(message.version, 'version'),
    phase: syncPhases.fromWire(message.phase),
    annHash: hexOrNone(message.annHash, HASH_BYTES, 'annHash')
  }
}
