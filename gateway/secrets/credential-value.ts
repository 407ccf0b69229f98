import { createPrivateKey } from 'node:crypto'
import { MeshError } from '../../protocol/core/errors.ts'
import { CREDENTIAL_BYTES_MAX } from '../../protocol/core/forge-limits.ts'
import type { Input } from '../../protocol/host/input-line.ts'
import type { CredentialKind } from './credential-store.ts'

/** A token goes into a header: no white space, nothing beyond ASCII. */
const TOKEN = /^[\x21-\x7e]{4,4096}$/
const OPENSSH_KEY =
  /^-----BEGIN [A-Z ]*PRIVATE KEY-----\n[\s\S]+\n-----END [A-Z ]*PRIVATE KEY-----\n$/

/**
 * The value of a credential from standard input. Throws CREDENTIAL_INVALID, and USAGE where a
 * person would type: what is typed is seen.
 */
export async function readCredential(
  input: Input | undefined,
  name: string,
  kind: CredentialKind
): Promise<Buffer> {
  if (input === undefined || input.isTTY === true) {
    throw new MeshError('USAGE', {
      problem: `the value comes from standard input: \`gateway credential set ${name} ... < FILE\``
    })
  }
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of input) {
    const read = Buffer.from(part)
    parts.push(read)
    bytes += read.length
    if (bytes > CREDENTIAL_BYTES_MAX) break
  }
  const text = Buffer.concat(parts).toString('utf8').replaceAll('\r\n', '\n')
  for (const part of parts) part.fill(0)
  if (bytes > CREDENTIAL_BYTES_MAX) {
    const problem = `it has more than ${CREDENTIAL_BYTES_MAX} bytes`
    throw new MeshError('CREDENTIAL_INVALID', { name, problem })
  }
  const value = kind === 'token' ? text.trim() : `${text.trim()}\n`
  const problem = PROBLEMS[kind](value)
  if (problem !== undefined) throw new MeshError('CREDENTIAL_INVALID', { name, problem })
  return Buffer.from(value)
}

const PROBLEMS: Readonly<Record<CredentialKind, (value: string) => string | undefined>> = {
  token: (value) => (TOKEN.test(value) ? undefined : 'a token is one word of 4 to 4096 characters'),
  'github-app': (value) => {
    try {
      const { asymmetricKeyType } = createPrivateKey(value)
      if (asymmetricKeyType === 'rsa') return undefined
    } catch {
      // Said below: what the parser says of a key is not for a person.
    }
    return 'it must be the RSA private key of the App, a PEM file as GitHub makes it'
  },
  // ssh reads it, in formats that node:crypto does not all know.
  'deploy-key': (value) =>
    OPENSSH_KEY.test(value) ? undefined : 'it must be a private key without a passphrase, as PEM'
}
