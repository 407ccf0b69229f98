import { causeOf, MeshError } from '../core/errors.ts'
import { ROSTER_BYTES_MAX } from '../core/limits.ts'
import type { Roster, SealedRoster } from '../core/roster.ts'
import { messageCodec } from './codec.ts'
import { signedEnvelope } from './envelope.ts'
import { copy } from './fields.ts'
import * as wire from './generated/roster.ts'
import type { MeshKey } from './keys.ts'
import { ROSTER_LIMITS, rosterFromWire, rosterToWire } from './roster-parts.ts'
import { sha256Hex } from './statement.ts'

const envelope = signedEnvelope({
  domain: 'runner-mesh-roster',
  payloadType: '/runner-mesh/roster/1',
  bytesMax: ROSTER_BYTES_MAX,
  mayShare: false
})

const rosters = messageCodec<Roster, wire.Roster>({
  what: 'roster',
  generated: wire.Roster,
  limits: ROSTER_LIMITS,
  bytesMax: ROSTER_BYTES_MAX,
  toWire: rosterToWire,
  fromWire: rosterFromWire
})

/** Signs a roster with the authority's key. Throws ROSTER_INVALID. */
export function sealRoster(authorityKey: MeshKey, roster: Roster): SealedRoster {
  return guarded(() => {
    check(roster, authorityKey.peerId, roster.authority)
    const bytes = envelope.seal(authorityKey, rosters.encode(roster))
    return { roster, hash: sha256Hex(bytes), bytes }
  })
}

/**
 * Verifies that `authority`, a peer id, signed the roster and that every field is within its limit.
 * Whether it follows the one before is core's to say. Throws ROSTER_INVALID.
 */
export function openRoster(bytes: Uint8Array, authority: string): SealedRoster {
  return guarded(() => {
    const own = copy(bytes)
    const { signer, payload } = envelope.open(own)
    const roster = rosters.decode(payload, signer)
    check(roster, signer, authority)
    return { roster, hash: sha256Hex(own), bytes: own }
  })
}

function check(roster: Roster, signer: string, authority: string): void {
  if (signer === authority && roster.authority === authority) return
  const problem = `it is signed by ${signer} for ${roster.authority}, the authority is ${authority}`
  throw new MeshError('ROSTER_INVALID', { problem })
}

function guarded<T>(task: () => T): T {
  try {
    return task()
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === 'ROSTER_INVALID') throw cause
    throw new MeshError('ROSTER_INVALID', { problem: causeOf(cause) }, { cause })
  }
}
