import type { ConnectionGater } from '@libp2p/interface'
import { CONNECTIONS_PER_PEER_MAX } from '../../core/limits.ts'
import type { Admission } from '../members/admission.ts'
import type { Inviter } from '../members/door.ts'

/** How many connections there are now. */
export interface ConnectionCounts {
  of(peerId: string): number
}

/**
 * The closed door. Who is there is known only once Noise is through (denyInboundConnection sees no
 * more than an address), so that is where it closes: before a muxer exists, hence before any stream
 * or handler.
 */
export function gater(
  admission: Admission,
  counts: ConnectionCounts,
  inviter?: Inviter
): ConnectionGater {
  return {
    denyDialPeer: (peer) => !admission.mayDial(peer.toString()),
    denyInboundEncryptedConnection: (peer) => {
      const peerId = peer.toString()
      if (admission.ofNewcomer(peerId) === 'none') return true
      return counts.of(peerId) >= CONNECTIONS_PER_PEER_MAX
    },
    // The roster may have changed between the dial and the end of its handshake.
    denyOutboundEncryptedConnection: (peer) => {
      if (peer.toString() === inviter?.peerId) inviter.onProven()
      return !admission.mayDial(peer.toString())
    }
  }
}
