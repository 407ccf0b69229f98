import type fc from 'fast-check'
import {
  decodeAdvertisement,
  encodeAdvertisement
} from '../../../protocol/wire/advertisement-codec.ts'
import { openAnnouncement, sealAnnouncement } from '../../../protocol/wire/announcement.ts'
import { decodeFrame, encodeFrame } from '../../../protocol/wire/frame.ts'
import { decodeJobsMessage, encodeJobsMessage } from '../../../protocol/wire/hint-codec.ts'
import {
  decodeInvites,
  decodeJoinClaim,
  decodeJoinReply,
  decodeJoinRequest,
  encodeInvites,
  encodeJoinClaim,
  encodeJoinReply,
  encodeJoinRequest
} from '../../../protocol/wire/join-codec.ts'
import type { MeshKey } from '../../../protocol/wire/keys.ts'
import {
  decodeLogReply,
  decodeLogRequest,
  encodeLogReply,
  encodeLogRequest
} from '../../../protocol/wire/log-codec.ts'
import {
  decodeOrderReply,
  decodeOrderRequest,
  encodeOrderReply,
  encodeOrderRequest
} from '../../../protocol/wire/orders-codec.ts'
import { decodeRecord, encodeRecord } from '../../../protocol/wire/record-codec.ts'
import {
  decodeRegisterReply,
  decodeRegisterRequest,
  encodeRegisterReply,
  encodeRegisterRequest
} from '../../../protocol/wire/register-codec.ts'
import { openRoster, sealRoster } from '../../../protocol/wire/roster-codec.ts'
import {
  decodeRosterHint,
  decodeRosterReply,
  decodeRosterRequest,
  encodeRosterHint,
  encodeRosterReply,
  encodeRosterRequest
} from '../../../protocol/wire/roster-message.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import {
  decodeSecretsReply,
  decodeSecretsRequest,
  encodeSecretsReply,
  encodeSecretsRequest
} from '../../../protocol/wire/secrets-codec.ts'
import { decodeValue, encodeValue } from '../../../protocol/wire/value-codec.ts'
import {
  advertisements,
  frames,
  jobsMessages,
  logReplies,
  logRequests,
  orderReplies,
  orderRequests,
  rosterHints,
  rosterReplies,
  rosterRequests,
  rosters,
  secretsReplies,
  secretsRequests
} from './arbitraries.ts'
import { KEYS } from './draws.ts'
import { inviteLists, joinClaims, joinReplies, joinRequests } from './join-arbitraries.ts'
import { manifests } from './manifest-arbitraries.ts'
import { records, replies, requests, values } from './register-arbitraries.ts'

/** One kind of message, with its type forgotten, so that one claim can be made of all. */
export interface MessageKind {
  readonly name: string
  readonly arbitrary: fc.Arbitrary<unknown>
  readonly encode: (value: unknown) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
}

function kind<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T
): MessageKind {
  return {
    name,
    // Some drawn records have no prototype; decoded ones always have.
    arbitrary: arbitrary.map((value) => structuredClone(value)),
    encode: (value) => encode(value as T),
    decode: (bytes) => decode(bytes)
  }
}

export const [GATEWAY, AUTHORITY] = KEYS as [MeshKey, MeshKey]

const announcements = manifests.map((manifest) => ({
  runId: runIdOfOrigin(manifest.origin),
  witnessEpoch: 3,
  gateway: GATEWAY.peerId,
  gwSeq: 7,
  issuedAtMs: 1_700_000_000_000,
  notAfterMs: 1_700_086_400_000,
  floor: 2,
  manifest
}))

export const SEALED: readonly MessageKind[] = [
  kind(
    'announcement',
    announcements,
    (value) => sealAnnouncement(GATEWAY, value).bytes,
    (bytes) => openAnnouncement(bytes).announcement
  ),
  kind(
    'roster',
    rosters.map((roster) => ({ ...roster, authority: AUTHORITY.peerId })),
    (value) => sealRoster(AUTHORITY, value).bytes,
    (bytes) => openRoster(bytes, AUTHORITY.peerId).roster
  )
]

export const MESSAGES: readonly MessageKind[] = [
  kind('register value', values, encodeValue, decodeValue),
  kind('register record', records, encodeRecord, decodeRecord),
  kind('register request', requests, encodeRegisterRequest, decodeRegisterRequest),
  kind('register reply', replies, encodeRegisterReply, decodeRegisterReply),
  kind('roster request', rosterRequests, encodeRosterRequest, decodeRosterRequest),
  kind('roster reply', rosterReplies, encodeRosterReply, decodeRosterReply),
  kind('roster hint', rosterHints, encodeRosterHint, decodeRosterHint),
  kind('advertisement', advertisements, encodeAdvertisement, decodeAdvertisement),
  kind('jobs message', jobsMessages, encodeJobsMessage, decodeJobsMessage),
  kind('log request', logRequests, encodeLogRequest, decodeLogRequest),
  kind('log reply', logReplies, encodeLogReply, decodeLogReply),
  kind('request for secrets', secretsRequests, encodeSecretsRequest, decodeSecretsRequest),
  kind('answer with secrets', secretsReplies, encodeSecretsReply, decodeSecretsReply),
  kind('order', orderRequests, encodeOrderRequest, decodeOrderRequest),
  kind('answer to an order', orderReplies, encodeOrderReply, decodeOrderReply),
  kind('join claim', joinClaims, encodeJoinClaim, decodeJoinClaim),
  kind('join request', joinRequests, encodeJoinRequest, decodeJoinRequest),
  kind('join reply', joinReplies, encodeJoinReply, decodeJoinReply),
  kind('invites', inviteLists, encodeInvites, decodeInvites),
  kind('frame', frames, encodeFrame, decodeFrame)
]
