import { causeOf, MeshError } from '../core/errors.ts'
import { MANIFEST_BYTES_MAX } from '../core/limits.ts'
import type { Announcement, SealedAnnouncement } from '../core/run.ts'
import { signedEnvelope } from './envelope.ts'
import { fieldCodec } from './field-codec.ts'
import { copy } from './fields.ts'
import type { MeshKey } from './keys.ts'
import { readAnnouncement, writeAnnouncement } from './manifest-parts.ts'
import { runIdOfOrigin } from './run-id.ts'
import { signatureBatch } from './signature-batch.ts'
import { sha256Hex } from './statement.ts'

const envelope = signedEnvelope({
  domain: 'runner-mesh-announcement',
  payloadType: '/runner-mesh/announcement/1',
  bytesMax: MANIFEST_BYTES_MAX,
  mayShare: true
})

const announcements = fieldCodec<Announcement>({
  what: 'announcement',
  bytesMax: MANIFEST_BYTES_MAX,
  read: readAnnouncement,
  write: writeAnnouncement
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
 * As `sealAnnouncement`, with a signature that all share which this key signs in one tick. Rejects
 * as that throws.
 */
export async function sealTogether(
  key: MeshKey,
  announcement: Announcement
): Promise<SealedAnnouncement> {
  const payload = guarded(() => {
    check(announcement, key.peerId)
    return announcements.encode(announcement)
  })
  const signature = await signatureBatch(key).sign(envelope.statement(payload))
  return guarded(() => {
    const bytes = envelope.sealed(key.peerId, payload, signature)
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

/**
 * SHA-256 of what its signature covers, 64 hex digits: the same for an announcement that was signed
 * anew, whose bytes and hash are others.
 */
export function contentHashOf(announcement: Announcement): string {
  return sha256Hex(announcements.encode(announcement))
}

/** By what their signatures cover; either may lie in other bytes of an envelope. */
export function isSameAnnouncement(one: Announcement, other: Announcement): boolean {
  return Buffer.compare(announcements.encode(one), announcements.encode(other)) === 0
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
