import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { canonicalEntry, parseAllowEntry } from '../core/allow-entry.ts'
import { NETWORK_ALLOW_MAX } from '../core/network-limits.ts'
import { either } from './shapes.ts'
import { nearest } from './suggestion.ts'

const WORDS = ['none', 'internet', 'open', 'audit'] as const
const FORMS = '`none`, `internet`, `open`, `audit` or a map with `allow`'

const word = z
  .unknown()
  .transform((input, context) => {
    const known = WORDS.find((each) => each === input)
    if (known !== undefined) return known
    context.issues.push({ code: 'custom', input, message: wordProblem(input) })
    return z.NEVER
  })
  .meta({ enum: [...WORDS] })

/** One entry, in its canonical form whatever way it is written. */
const entry = z.string().transform((text, context) => {
  const ascii = asciiOf(text)
  const canonical = canonicalEntry(ascii)
  if (canonical !== undefined) return canonical
  const parsed = parseAllowEntry(ascii)
  const message = parsed.kind === 'problem' ? parsed.text : 'cannot be read'
  context.issues.push({ code: 'custom', input: text, message })
  return z.NEVER
})

/** A name with other letters than ASCII's as the DNS has it; all else as it is. */
function asciiOf(text: string): string {
  const [, wildcard = '', name = '', rest = ''] = /^(\*\.)?([^:/]*)(.*)$/s.exec(text) ?? []
  // What is ASCII is not touched: `0x7f.1` would become an address.
  return /^[\0-\x7f]*$/.test(name) ? text : `${wildcard}${domainToASCII(name)}${rest}`
}

const list = z.strictObject({
  allow: z
    .array(entry)
    .min(1, 'opens nothing: list an address with its port, or write `none`')
    .max(NETWORK_ALLOW_MAX)
    .transform((entries) => [...new Set(entries)])
})

/** `network`: a word, or a list of what may be reached. */
export const network = either(list, word)

function wordProblem(input: unknown): string {
  if (typeof input !== 'string') return `is no network: write ${FORMS}`
  if (/^(host$|container:)/.test(input)) {
    return `is refused: a job never leaves its sandbox; write ${FORMS}`
  }
  const close = nearest(input, WORDS)
  return close === undefined
    ? `is no network: write ${FORMS}`
    : `is no network: did you mean \`${close}\`?`
}
