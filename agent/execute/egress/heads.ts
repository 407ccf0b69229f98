import { valuesOf } from './target.ts'

/** Of one connection, and never of the message that it carries (RFC 9110, 7.6.1). */
const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
])

/** Made anew for the other side: what frames a message is never copied. */
const OURS = new Set(['host', 'content-length', 'expect'])

/** Names and values in turn that are meant for the far end, in their order. */
export function endToEnd(raw: readonly string[]): string[] {
  const named = valuesOf(raw, 'connection').flatMap((value) => value.toLowerCase().split(','))
  const dropped = new Set(named.map((name) => name.trim()))
  const kept: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]]
    const key = name.toLowerCase()
    if (!HOP.has(key) && !OURS.has(key) && !dropped.has(key)) kept.push(name, value)
  }
  return kept
}

export type Framing = readonly [] | readonly [string, string]

/**
 * The one field that says where a message's body ends; undefined where it says so in a way that two
 * programs could read differently.
 */
export function framingOf(raw: readonly string[]): Framing | undefined {
  const encodings = valuesOf(raw, 'transfer-encoding')
  const lengths = valuesOf(raw, 'content-length')
  if (encodings.length + lengths.length > 1) return undefined
  const [encoding] = encodings
  if (encoding !== undefined) {
    return encoding.toLowerCase() === 'chunked' ? ['transfer-encoding', 'chunked'] : undefined
  }
  const [length] = lengths
  if (length === undefined) return []
  return /^\d{1,15}$/.test(length) ? ['content-length', length] : undefined
}
