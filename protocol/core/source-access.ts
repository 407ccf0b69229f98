/**
 * What the holder of a lease asks its gateway for to get at the job's source. It goes by the way of
 * secrets, under a name that no secret can have.
 */
export const SOURCE_ACCESS = ':source'

/** By what a private repository is fetched; for reading alone, as far as its forge can say so. */
export type SourceAccess =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** A private key of ssh, without a passphrase. */
  | { readonly kind: 'key'; readonly key: string }

const KEY_WORD = 'key'
const PASSWORD_WORD = 'password '

/** As it is sent: its kind and user in the first line, the rest below. */
export function sourceAccessBytes(access: SourceAccess): Uint8Array {
  const { first, rest } =
    access.kind === 'key'
      ? { first: KEY_WORD, rest: access.key }
      : { first: `${PASSWORD_WORD}${access.user}`, rest: access.password }
  return new TextEncoder().encode(`${first}\n${rest}`)
}

/** Undefined for bytes that are none. */
export function readSourceAccess(bytes: Uint8Array): SourceAccess | undefined {
  const text = new TextDecoder().decode(bytes)
  const end = text.indexOf('\n')
  const first = text.slice(0, Math.max(0, end))
  const rest = text.slice(end + 1)
  if (end < 0 || rest === '') return undefined
  if (first === KEY_WORD) return { kind: 'key', key: rest }
  // A line end within would say something else to git than was meant.
  if (!first.startsWith(PASSWORD_WORD) || /[\r\n]/.test(rest)) return undefined
  return { kind: 'password', user: first.slice(PASSWORD_WORD.length), password: rest }
}

/** What of it must not be seen in a log. */
export function hiddenOfSource(access: SourceAccess): Uint8Array {
  return new TextEncoder().encode(access.kind === 'key' ? access.key : access.password)
}
