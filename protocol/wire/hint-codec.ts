import { GOSSIP_BYTES_MAX, GOSSIP_MANIFEST_BYTES_MAX } from '../core/limits.ts'
import type { Hint } from '../core/messages.ts'
import { loose, messageCodec } from './codec.ts'
import { blob, count, need, ownBlob, register } from './fields.ts'
import * as wire from './generated/gossip.ts'

/** A message of the jobs topic: a whole announcement, or which register is worth a read. */
export type JobsMessage =
  | {
      readonly kind: 'announcement'
      /** A sealed announcement, unverified; at most GOSSIP_MANIFEST_BYTES_MAX. */
      readonly bytes: Uint8Array
      readonly repeat: number
    }
  | {
      readonly kind: 'hint'
      readonly hint: Hint
      /** Counts what is said again: gossipsub drops messages with equal bytes for two minutes. */
      readonly repeat: number
    }

/** Repetitions are counted within this; only that two of them differ matters. */
const REPEAT_MAX = 0xff_ff_ff_ff

const messages = messageCodec<JobsMessage, wire.JobsMessage>({
  what: 'jobs message',
  generated: wire.JobsMessage,
  limits: {},
  bytesMax: GOSSIP_BYTES_MAX,
  toWire: (message) => {
    const repeat = count(message.repeat, 'repeat', REPEAT_MAX)
    if (message.kind === 'hint') return { hint: hintParts(message.hint), repeat }
    const announcement = blob(message.bytes, GOSSIP_MANIFEST_BYTES_MAX, 'announcement')
    return loose<wire.JobsMessage>({ announcement, hint: undefined, repeat })
  },
  fromWire: (message) => {
    const repeat = count(message.repeat, 'repeat', REPEAT_MAX)
    if (message.hint !== undefined) return { kind: 'hint', hint: hintParts(message.hint), repeat }
    const announcement = need(message.announcement, 'announcement')
    const bytes = ownBlob(announcement, GOSSIP_MANIFEST_BYTES_MAX, 'announcement')
    return { kind: 'announcement', bytes, repeat }
  }
})

function hintParts(hint: Hint): Hint {
  return {
    register: register(hint.register),
    witnessEpoch: count(hint.witnessEpoch, 'witnessEpoch'),
    version: count(hint.version, 'version')
  }
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE, as all of these do. */
export function encodeJobsMessage(message: JobsMessage): Uint8Array {
  return messages.encode(message)
}

export function decodeJobsMessage(bytes: Uint8Array, from?: string): JobsMessage {
  return messages.decode(bytes, from)
}
