import { type ProcessIdentity, parseIdentity } from '../../protocol/host/process-identity.ts'

/** A sign of life of a guardian: one JSON line, sent to whoever is connected. */
export interface Beat {
  readonly guardian: ProcessIdentity
  readonly version: string
  /** Whose containers it guards; '' until an agent has said. */
  readonly peerId: string
  readonly storeId: string
  /** Milliseconds since the engine last told it which containers there are; null for never. */
  readonly lookAgoMs: number | null
}

/** Characters of one beat at most. */
export const BEAT_CHARACTERS_MAX = 4_096

export function encodeBeat(beat: Beat): string {
  return `${JSON.stringify(beat)}\n`
}

/** Undefined for what is no beat. */
export function parseBeat(line: string): Beat | undefined {
  let value: Partial<Beat>
  try {
    value = (JSON.parse(line) ?? {}) as Partial<Beat>
  } catch {
    return undefined
  }
  const { version, peerId, storeId, lookAgoMs } = value
  const guardian = parseIdentity(value.guardian)
  if (guardian === undefined || typeof version !== 'string') return undefined
  if (typeof peerId !== 'string' || typeof storeId !== 'string') return undefined
  const look = typeof lookAgoMs === 'number' && Number.isFinite(lookAgoMs) ? lookAgoMs : null
  return { guardian, version, peerId, storeId, lookAgoMs: look }
}
