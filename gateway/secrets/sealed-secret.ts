import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

export const SECRETS_KEY_BYTES = 32
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What a sealed value belongs to: moved to another place, it does not open. */
export interface SecretPlace {
  readonly repository: string
  readonly name: string
  /** No two sealed values of one file have the same: an older one does not pass for the newer. */
  readonly version: number
  /** Of a login: the registry's host, which alone may see it. */
  readonly registry?: string | undefined
}

/** Nonce, tag and ciphertext as base64. Nonces are random: 2^32 of them are safe under one key. */
export function sealSecret(key: Uint8Array, place: SecretPlace, value: Uint8Array): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(placeBytes(place))
  const sealed = Buffer.concat([cipher.update(value), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** Undefined for what was not sealed with this key for this place. */
export function openSecret(key: Uint8Array, place: SecretPlace, text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(placeBytes(place))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const opened = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
  try {
    decipher.final()
    return opened
  } catch {
    opened.fill(0)
    return undefined
  }
}

/** As JSON: no two places have the same bytes, whatever is in their names. */
function placeBytes({ repository, name, version, registry }: SecretPlace): Buffer {
  const kind = registry === undefined ? ['repository'] : ['registry', registry]
  return Buffer.from(JSON.stringify([repository, ...kind, name, version]))
}
