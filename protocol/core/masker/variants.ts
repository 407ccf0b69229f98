import { MASKED_BYTES_MIN } from '../secret-limits.ts'
import {
  asciiJson,
  backslashed,
  base64Core,
  doubleQuoted,
  hex,
  html,
  htmlJson,
  json,
  onOneLine,
  percent,
  singleQuoted,
  wrapped
} from './encodings.ts'

/** Columns of `base64` and of PEM files. */
const WRAPS = [76, 64] as const
/** Columns of `xxd -p`. */
const HEX_WRAP = 60
/** Of texts between tags, of Go, of templates, of Python and of PHP. */
const HTML_QUOTES = [
  ['"', "'"],
  ['&#34;', '&#39;'],
  ['&quot;', '&#39;'],
  ['&quot;', '&#x27;'],
  ['&quot;', '&#039;']
] as const
const LF = 10
const CR = 13

/** One character a byte: bytes as the key of a map. */
const latin1 = new TextDecoder('latin1')

/**
 * Every spelling of a value that is masked, none twice and none shorter than MASKED_BYTES_MIN: the
 * value, without the white space around it, each of its lines, and the encodings of the first two.
 */
export function variantsOf(value: Uint8Array): readonly Uint8Array[] {
  const found = new Map<string, Uint8Array>()
  const add = (variant: Uint8Array): void => {
    if (variant.length >= MASKED_BYTES_MIN) found.set(latin1.decode(variant), variant)
  }
  for (const whole of [value, trimmed(value)]) {
    add(whole)
    for (const variant of encoded(whole)) add(variant)
  }
  for (const line of linesOf(value)) add(trimmed(line))
  return [...found.values()]
}

function encoded(value: Uint8Array): readonly Uint8Array[] {
  const variants: Uint8Array[] = []
  for (const alphabet of ['plain', 'url'] as const) {
    for (const before of [0, 1, 2]) variants.push(base64Core(value, before, alphabet))
  }
  const core = base64Core(value, 0, 'plain')
  for (const columns of WRAPS) if (core.length > columns) variants.push(...wrapped(core, columns))
  for (const letters of ['upper', 'lower'] as const) {
    const digits = hex(value, letters)
    variants.push(digits)
    if (digits.length > HEX_WRAP) variants.push(...wrapped(digits, HEX_WRAP))
    for (const space of ['%20', '+'] as const) {
      for (const kept of ["-_.!~*'()", '-._~', '*-._', '-._~/']) {
        variants.push(percent(value, { kept, space, letters }))
      }
    }
  }
  variants.push(json(value, 'plain'), json(value, 'escaped'), asciiJson(value))
  variants.push(htmlJson(value), ...HTML_QUOTES.map((quotes) => html(value, quotes)))
  variants.push(singleQuoted(value), doubleQuoted(value), backslashed(value), onOneLine(value))
  return variants
}

function linesOf(value: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = []
  let from = 0
  for (let at = 0; at <= value.length; at += 1) {
    const byte = value[at]
    if (byte !== undefined && byte !== LF && byte !== CR) continue
    if (at > from) lines.push(value.subarray(from, at))
    from = at + 1
  }
  return lines
}

/** Without ASCII white space at its ends. */
function trimmed(value: Uint8Array): Uint8Array {
  let from = 0
  let end = value.length
  while (from < end && isSpace(value[from])) from += 1
  while (end > from && isSpace(value[end - 1])) end -= 1
  return value.subarray(from, end)
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= CR)
}
