import type { Digest } from './ports.ts'

/**
 * The operation id of the end of a lease, 32 hex digits: made from its claim, so that the retry of
 * a holder that forgot everything but its claim id is recognised as the same intent (4.12.10).
 */
export function endOpId(claimId: string, kind: 'complete' | 'release', digest: Digest): string {
  return digest.text(`${claimId}|${kind}`).slice(0, OP_ID_CHARACTERS)
}

const OP_ID_CHARACTERS = 32
