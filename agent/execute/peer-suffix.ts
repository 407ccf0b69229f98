import { createHash } from 'node:crypto'

/** First 8 hex of SHA-256(peerId): what tells an agent's things in a shared engine from others'. */
export function peerSuffix(peerId: string): string {
  return createHash('sha256').update(peerId).digest('hex').slice(0, 8)
}
