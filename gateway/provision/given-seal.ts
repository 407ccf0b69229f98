import { MeshError } from '../../protocol/core/errors.ts'
import { PROVISION_GIVEN_BYTES_MAX } from '../../protocol/core/provision-limits.ts'
import type { RunnerValues } from '../forge/runner-api.ts'
import { openSecret, type SecretPlace, sealSecret } from '../secrets/sealed-secret.ts'
import { readSecretsKey } from '../secrets/secret-key.ts'

/** No repository has a name like this: what is sealed for a slot never opens as a secret. */
const GIVEN_PLACE = '//slot'

/** Whose configuration it is: sealed for one attempt, it does not open as another's. */
export interface GivenTo {
  /** `runId.0` */
  readonly slot: string
  readonly epoch: number
}

/**
 * Seals what one attempt's runner is configured with, all of its values together, by the key of the
 * gateway's secrets: on its disk they lie like this alone.
 */
export class GivenSeal {
  readonly #keyFile: string

  constructor(keyFile: string) {
    this.#keyFile = keyFile
  }

  /** Throws STATE_ABSENT, KEY_MODE_WIDE, KEY_INVALID where nothing could be sealed now. */
  async check(): Promise<void> {
    const key = await readSecretsKey(this.#keyFile)
    key.fill(0)
  }

  /** Base64. Throws as `check`, and SECRET_REFUSED for more than PROVISION_GIVEN_BYTES_MAX. */
  async seal(to: GivenTo, values: RunnerValues): Promise<string> {
    const bytes = Buffer.from(JSON.stringify(values))
    try {
      if (bytes.length > PROVISION_GIVEN_BYTES_MAX) {
        const [name = ''] = Object.keys(values)
        throw new MeshError('SECRET_REFUSED', { name, reason: 'too_large' })
      }
      const key = await readSecretsKey(this.#keyFile)
      const sealed = sealSecret(key, placeOf(to), bytes)
      key.fill(0)
      return sealed
    } finally {
      bytes.fill(0)
    }
  }

  /** Throws as `check`, and SLOT_UNREADABLE for what was not sealed for this attempt by this key. */
  async open(to: GivenTo, sealed: string | undefined): Promise<RunnerValues> {
    const { slot, epoch } = to
    const file = this.#keyFile
    if (sealed === undefined) {
      throw new MeshError('SLOT_UNREADABLE', { slot, epoch, file, problem: 'is not in the store' })
    }
    const key = await readSecretsKey(file)
    const bytes = openSecret(key, placeOf(to), sealed)
    key.fill(0)
    if (bytes === undefined) {
      const problem = `does not open with the key in ${file}`
      throw new MeshError('SLOT_UNREADABLE', { slot, epoch, file, problem })
    }
    try {
      // It was sealed here, as it is.
      return JSON.parse(bytes.toString('utf8')) as RunnerValues
    } finally {
      bytes.fill(0)
    }
  }
}

function placeOf({ slot, epoch }: GivenTo): SecretPlace {
  return { repository: GIVEN_PLACE, name: slot, version: epoch }
}
