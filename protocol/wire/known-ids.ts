import { REGISTER_NAMES_KEPT_MAX } from '../core/codec-limits.ts'
import { PEER_KEYS_MAX } from '../core/limits.ts'
import { isJobId, isPeerId, isRunId } from './ids.ts'
import { KnownTexts } from './known-texts.ts'

/** Peer ids of this process, right by their shape; whether a key hides behind one is not asked. */
export const knownPeers = new KnownTexts(PEER_KEYS_MAX, isPeerId)

/** Run and job ids of this process. */
export const knownRegisters = new KnownTexts(REGISTER_NAMES_KEPT_MAX, (text) => {
  return isRunId(text) || isJobId(text)
})
