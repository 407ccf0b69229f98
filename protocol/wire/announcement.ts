import { causeOf, MeshError } from '../core/errors.ts'
import { MANIFEST_BYTES_MAX } from '../core/limits.ts'
import type { Announcement, SealedAnnouncement } from '../core/run.ts'
import { announcementBytes } from './announcement-tables.ts'
import { messageCodec } from './codec.ts'
import { signedEnvelope } from './envelope.ts'
import { copy } from './fields.ts'
import type * as wire from './generated/announcement.ts'
import type { MeshKey } from './keys.ts'
import { ANNOUNCEMENT_LIMITS, announcementFromWire, announcementToWire } from './manifest-parts.ts'
import { runIdOfOrigin } from './run-id.ts'
import { sha256Hex } from './statement.ts'

const envelope = signedEnvelope({
  domain: 'runner-mesh-announcement',
  payloadType: '/runner-mesh/announcement/1',
  bytesMax: MANIFEST_BYTES_MAX
})

const announcements = messageCodec<Announcement, wire.Announcement>({
  what: 'announcement',
  generated: announcementBytes,
  limits: ANNOUNCEMENT_LIMITS,
  bytesMax: MANIFEST_BYTES_MAX,
  toWire: announcementToWire,
  fromWire: announcementFromWire
})

/**
 * Signs an announcement as its gateway. Throws ANNOUNCEMENT_INVALID for one that `openAnnouncement`
 * would refuse, with the size where it is too large.
 */
export function sealAnnouncement(key: MeshKey, announcement: Announcement): SealedAnnouncement {
  return guarded(() => {
    check(announcement, key.peerId)
    const bytes = envelope.seal(key, announcements.encode(announcement))
    return { announcement, annHash: sha256Hex(bytes), bytes }
  })
}

/**
 * Verifies what `sealAnnouncement` made: signed by its gateway, the run id made from its origin,
 * every field within its limit. Whether that gateway may announce is the roster's to say.
 * Throws ANNOUNCEMENT_INVALID.
 */
export function openAnnouncement(bytes: Uint8Array): SealedAnnouncement {
  return guarded(() => {
    const own = copy(bytes)
    const { signer, payload } = envelope.open(own)
    const announcement = announcements.decode(payload, signer)
    check(announcement, signer)
    return { announcement, annHash: sha256Hex(own), bytes: own }
  })
}

function check({ gateway, runId, manifest }: Announcement, signer: string): void {
  if (gateway !== signer) refuse(`it is signed by ${signer} in the name of ${gateway}`)
  // Otherwise one event could be announced under a second id and run twice.
  const derived = runIdOfOrigin(manifest.origin)
  if (runId !== derived) refuse(`its run id is ${runId}, its origin makes ${derived}`)
}

function refuse(problem: string): never {
  throw new MeshError('ANNOUNCEMENT_INVALID', { problem })
}

function guarded<T>(task: () => T): T {
  try {
    return task()
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === 'ANNOUNCEMENT_INVALID') throw cause
    throw new MeshError('ANNOUNCEMENT_INVALID', { problem: causeOf(cause) }, { cause })
  }
}
