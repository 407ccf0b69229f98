import { HOST_NAME_CHARACTERS_MAX } from './network-limits.ts'

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
/** How C libraries and browsers know that a name is an address: `127.1`, `0x7f.1`, `2130706433`. */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/

/**
 * The one way that a name of a host is written: lower case, without the final dot, letters beyond
 * ASCII as `xn--`. Undefined for what is no such name: an address in whatever form, a name without
 * a dot, which the owner's own network would complete, and anything with other characters.
 */
export function canonicalHostName(text: string): string | undefined {
  // Before lower case: the Kelvin sign would become a `k`.
  if (!/^[a-zA-Z0-9._-]+$/.test(text)) return undefined
  const name = text.toLowerCase().replace(/\.$/, '')
  if (name.length > HOST_NAME_CHARACTERS_MAX) return undefined
  const labels = name.split('.')
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return undefined
  return NUMBER.test(labels.at(-1) ?? '') ? undefined : name
}
