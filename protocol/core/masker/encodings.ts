/*
 * How programs spell a value that they show or pass on, over bytes. Each is pure; where a value has
 * nothing to be spelled otherwise, it comes back as it is.
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const LF = 10
const ALPHABET = encoder.encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
const URL_ALPHABET = encoder.encode(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
)

/**
 * The base64 characters that `bytes` alone decide where `before` (0 to 2) others come first in
 * their group of three; what stands before and after the value changes none of them.
 */
export function base64Core(bytes: Uint8Array, before: number, alphabet: 'plain' | 'url') {
  const table = alphabet === 'plain' ? ALPHABET : URL_ALPHABET
  const first = Math.ceil((before * 8) / 6)
  const end = Math.floor(((before + bytes.length) * 8) / 6)
  const core = new Uint8Array(Math.max(0, end - first))
  for (let at = 0; at < core.length; at += 1) {
    const bit = (first + at) * 6 - before * 8
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
    core[at] = table[(pair >> (10 - (bit & 7))) & 63] ?? 0
  }
  return core
}

/**
 * As `base64`, `openssl` and `xxd -p` break long lines: each full line, what is left, which alone
 * may be too short to be looked for, and all of it.
 */
export function wrapped(core: Uint8Array, columns: number): readonly Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let at = 0; at < core.length; at += columns) lines.push(core.subarray(at, at + columns))
  const whole = new Uint8Array(core.length + lines.length - 1).fill(LF)
  for (const [index, line] of lines.entries()) whole.set(line, index * (columns + 1))
  return [...lines, whole]
}

/** Two digits a byte. */
export function hex(bytes: Uint8Array, letters: 'lower' | 'upper'): Uint8Array {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return encoder.encode(letters === 'lower' ? text : text.toUpperCase())
}

/** `%2F` for every byte but letters, digits and those of `kept`. */
export function percent(
  bytes: Uint8Array,
  options: { readonly kept: string; readonly space: '%20' | '+'; readonly letters: string }
): Uint8Array {
  return spelled(bytes, (byte, character) => {
    if (/[A-Za-z0-9]/.test(character) || options.kept.includes(character)) return undefined
    if (character === ' ') return options.space
    const digits = byte.toString(16).padStart(2, '0')
    return `%${options.letters === 'lower' ? digits : digits.toUpperCase()}`
  })
}

/** Inside the quotes of JSON; `slash` also escapes `/`, as PHP does. */
export function json(bytes: Uint8Array, slash: 'plain' | 'escaped'): Uint8Array {
  return spelled(bytes, (byte, character) => {
    if (character === '/') return slash === 'escaped' ? '\\/' : undefined
    const short = JSON_SHORT[character]
    if (short !== undefined) return short
    return byte < 0x20 ? `\\u${byte.toString(16).padStart(4, '0')}` : undefined
  })
}

const JSON_SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t'
}

/** Inside the quotes of JSON that is plain ASCII, as Python writes it. */
export function asciiJson(bytes: Uint8Array): Uint8Array {
  const escaped = decoder.decode(json(bytes, 'plain'))
  const unit = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return encoder.encode(escaped.replaceAll(/[^\0-~]/g, unit))
}

/** Inside the quotes of JSON that is safe in HTML, as Go writes it. */
export function htmlJson(bytes: Uint8Array): Uint8Array {
  const escaped = decoder.decode(json(bytes, 'plain'))
  return encoder.encode(
    escaped.replaceAll(/[<>&\u2028\u2029]/g, (character) => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
  )
}

/** In HTML, whose programs differ in how they spell quotes. */
export function html(bytes: Uint8Array, quotes: readonly [double: string, single: string]) {
  return spelled(bytes, (_, character) => {
    if (character === '"') return quotes[0]
    return character === "'" ? quotes[1] : HTML[character]
  })
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Inside single quotes of a shell, as `set -x` and `export -p` show it. */
export function singleQuoted(bytes: Uint8Array): Uint8Array {
  return spelled(bytes, (_, character) => (character === "'" ? "'\\''" : undefined))
}

/** Inside double quotes of a shell. */
export function doubleQuoted(bytes: Uint8Array): Uint8Array {
  return spelled(bytes, (_, character) =>
    '"\\$`'.includes(character) ? `\\${character}` : undefined
  )
}

/** Without quotes, as `printf %q` shows it. */
export function backslashed(bytes: Uint8Array): Uint8Array {
  return spelled(bytes, (byte, character) =>
    byte >= 0x80 || /[A-Za-z0-9_@%+=:,./-]/.test(character) ? undefined : `\\${character}`
  )
}

/** On one line: `\n` for a line end, as in a `.env` file; nothing else changes. */
export function onOneLine(bytes: Uint8Array): Uint8Array {
  return spelled(bytes, (_, character) => {
    if (character === '\n') return '\\n'
    return character === '\r' ? '\\r' : undefined
  })
}

function spelled(
  bytes: Uint8Array,
  as: (byte: number, character: string) => string | undefined
): Uint8Array {
  // Each byte is asked about once: a long key has thousands of them.
  const table = new Map<number, Uint8Array>()
  for (const byte of new Set(bytes)) {
    const other = as(byte, byte < 0x80 ? String.fromCharCode(byte) : '\u0080')
    if (other !== undefined) table.set(byte, encoder.encode(other))
  }
  if (table.size === 0) return bytes
  const out: number[] = []
  for (const byte of bytes) {
    const other = table.get(byte)
    if (other === undefined) out.push(byte)
    else for (const each of other) out.push(each)
  }
  return new Uint8Array(out)
}
