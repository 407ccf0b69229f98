import { MeshError } from '../../protocol/core/errors.ts'
import { authorize } from '../api/auth.ts'
import type { TokenStore } from '../api/token-store.ts'

/** A browser shows this where it asks for user and password. */
export const CHALLENGE = 'Basic realm="runner-mesh, the password is a token", charset="UTF-8"'

/** Longest header looked at: a user of some words and a token, in base64. */
const HEADER_CHARACTERS_MAX = 1_024

/**
 * Whoever reads a page has a token of scope `read`: as a program sends it, or as the password of
 * any user, which is what a browser can do. Throws TOKEN_INVALID, SCOPE_MISSING.
 */
export async function mayRead(
  tokens: Pick<TokenStore, 'find'>,
  authorization: string | undefined
): Promise<void> {
  const basic = /^Basic +([\w+/]+=*)$/i.exec(authorization ?? '')?.[1]
  if (basic === undefined) {
    await authorize(tokens, authorization, 'read')
    return
  }
  if (basic.length > HEADER_CHARACTERS_MAX) {
    throw new MeshError('TOKEN_INVALID', { problem: 'not well formed' })
  }
  const said = Buffer.from(basic, 'base64').toString('utf8')
  const token = said.slice(said.indexOf(':') + 1)
  await authorize(tokens, `Bearer ${token}`, 'read')
}
