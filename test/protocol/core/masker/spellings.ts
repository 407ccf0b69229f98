import fc from 'fast-check'

/** How programs would show a value, by the encoders of the platform and not by ours. */
export const SPELLINGS: Readonly<Record<string, (value: string) => string>> = {
  raw: (value) => value,
  trimmed: (value) => value.trim(),
  'hex in small letters': (value) => Buffer.from(value).toString('hex'),
  'hex in capitals': (value) => Buffer.from(value).toString('hex').toUpperCase(),
  'a URL': (value) => encodeURIComponent(value),
  'a form': (value) => new URLSearchParams({ '': value }).toString().slice(1),
  JSON: (value) => JSON.stringify(value).slice(1, -1),
  'JSON of PHP': (value) => JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/'),
  'JSON of Go': (value) => {
    const unit = (text: string): string => `\\u00${Buffer.from(text).toString('hex')}`
    return JSON.stringify(value).slice(1, -1).replaceAll(/[<>&]/g, unit)
  },
  'HTML of Go': (value) => inHtml(value, '&#34;', '&#39;'),
  'HTML of Python': (value) => inHtml(value, '&quot;', '&#x27;'),
  'text of HTML': (value) => inHtml(value, '"', "'"),
  'lines of xxd': (value) =>
    (
      Buffer.from(value)
        .toString('hex')
        .match(/.{1,60}/g) ?? []
    ).join('\n'),
  'single quotes': (value) => value.replaceAll("'", "'\\''"),
  'double quotes': (value) => value.replaceAll(/["\\$`]/g, '\\$&'),
  'one line': (value) => value.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}

function inHtml(value: string, double: string, single: string): string {
  const tags = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return tags.replaceAll('"', double).replaceAll("'", single)
}

const character = fc.constantFrom(...'abcXYZ019+/=-_.~!*\'"\\$`&<>%#@: \n\täöß', '\r\n')

/** At least four bytes without the white space around them, as the store wants them. */
export const value = fc
  .array(character, { minLength: 4, maxLength: 60 })
  .map((characters) => characters.join(''))
  .filter((text) => Buffer.byteLength(text.trim()) >= 4)

/** What no spelling of a value begins or ends with. */
export const filler = fc
  .array(fc.constantFrom('ж', '中', '§', '\n', 'жжж'), { minLength: 1, maxLength: 12 })
  .map((characters) => `ж${characters.join('')}ж`)

/** Cuts bytes at these places, given as parts of the whole. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b)
  const starts = [0, ...ends]
  return starts.map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length))
}
