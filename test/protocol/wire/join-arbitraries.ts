import fc from 'fast-check'
import type { Invites } from '../../../protocol/core/invite.ts'
import type { JoinClaim, JoinReply, JoinRequest } from '../../../protocol/wire/join-codec.ts'
import { blobs, counts, hashes, hex, ids, names, option, peerIds, some } from './draws.ts'

const roles = fc.subarray(['agent', 'gateway', 'operator'] as const)

export const joinClaims: fc.Arbitrary<JoinClaim> = fc.record({
  invite: hex(8),
  joiner: fc.constantFrom('agent', 'gateway'),
  name: names,
  storeId: ids,
  addresses: some(fc.constantFrom('/ip4/10.0.0.8/tcp/4471', '/dns/basalt/tcp/1')),
  ports: some(fc.integer({ min: 1, max: 65_535 }))
})

export const joinRequests: fc.Arbitrary<JoinRequest> = fc.record({
  claim: blobs,
  mac: hashes.map((text) => new Uint8Array(Buffer.from(text, 'hex')))
})

export const joinReplies: fc.Arbitrary<JoinReply> = fc.oneof(
  fc.record({ kind: fc.constant('admitted'), roster: blobs }),
  fc.record({
    kind: fc.constant('refused'),
    reason: fc.constantFrom(
      'unknown',
      'used',
      'expired',
      'forged',
      'other_role',
      'name_taken',
      'address_absent',
      'not_admitted'
    )
  })
)

export const inviteLists: fc.Arbitrary<Invites> = some(
  fc.record({
    id: hex(8),
    secret: option(ids),
    roles,
    isWitness: fc.boolean(),
    expiresMs: counts,
    usedBy: option(peerIds)
  })
)
