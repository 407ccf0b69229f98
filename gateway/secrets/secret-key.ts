import { randomBytes } from 'node:crypto'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { readSecretFile, writeSecretFile } from '../../protocol/host/secret-file.ts'
import { SECRETS_KEY_BYTES } from './sealed-secret.ts'

/** Throws STATE_ABSENT, KEY_MODE_WIDE, KEY_INVALID. */
export async function readSecretsKey(file: string): Promise<Uint8Array> {
  const key = await readSecretFile(file)
  if (key.length === SECRETS_KEY_BYTES) return key
  const cause = `${key.length} bytes, ${SECRETS_KEY_BYTES} are needed`
  throw new MeshError('KEY_INVALID', { file, cause })
}

/** The key in `file`, made where there is none. Throws as readSecretsKey, STATE_UNWRITABLE. */
export async function makeSecretsKey(file: string): Promise<Uint8Array> {
  try {
    return await readSecretsKey(file)
  } catch (error) {
    if (codeOf(error) !== 'STATE_ABSENT') throw error
  }
  try {
    await writeSecretFile(file, randomBytes(SECRETS_KEY_BYTES))
  } catch (error) {
    // Another command has made it meanwhile.
    if (codeOf(error) !== 'STATE_EXISTS') throw error
  }
  return await readSecretsKey(file)
}
