import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { GivenSeal } from '../../../gateway/provision/given-seal.ts'
import { openSecret } from '../../../gateway/secrets/sealed-secret.ts'
import { makeSecretsKey } from '../../../gateway/secrets/secret-key.ts'
import { PROVISION_GIVEN_BYTES_MAX } from '../../../protocol/core/provision-limits.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

const values = { RUNNER_FILE: '{"token":"sesame"}\n', RUNNER_TOKEN: 'sesame' }
const to = { slot: '01JZ8Q7V5N3M2K4H6G8F0DBCA1.0', epoch: 2 }

let keyFile: string
let key: Uint8Array
let seal: GivenSeal
beforeEach(async () => {
  const folder = await temporaryFolder()
  onTestFinished(() => folder.remove())
  keyFile = join(folder.dir, 'secrets.key')
  key = await makeSecretsKey(keyFile)
  seal = new GivenSeal(keyFile)
})

describe('what an attempt was given', () => {
  test('opens for that attempt as it was, and is sealed differently each time', async () => {
    const sealed = await seal.seal(to, values)

    expect(await seal.open(to, sealed)).toEqual(values)
    expect(await seal.seal(to, values)).not.toBe(sealed)
    expect(Buffer.from(sealed, 'base64').includes('sesame')).toBe(false)
  })

  test("opens for no other slot or attempt, and never as a repository's secret", async () => {
    const sealed = await seal.seal(to, values)

    for (const other of [
      { ...to, epoch: 1 },
      { ...to, slot: '01JZ8Q7V5N3M2K4H6G8F0DBCA2.0' }
    ]) {
      await expect(seal.open(other, sealed)).rejects.toMatchObject({ code: 'SLOT_UNREADABLE' })
    }
    const secret = { repository: 'team/kernel', name: to.slot, version: to.epoch }
    expect(openSecret(key, secret, sealed)).toBeUndefined()
  })

  test('is not taken as nothing where it is not there, cut off, or sealed by another key', async () => {
    const sealed = await seal.seal(to, values)
    for (const text of [undefined, '', sealed.slice(0, 20)]) {
      await expect(seal.open(to, text)).rejects.toMatchObject({ code: 'SLOT_UNREADABLE' })
    }

    await rm(keyFile)
    await expect(seal.open(to, sealed)).rejects.toMatchObject({ code: 'STATE_ABSENT' })
    await expect(seal.check()).rejects.toMatchObject({ code: 'STATE_ABSENT' })
    await makeSecretsKey(keyFile)
    await expect(seal.open(to, sealed)).rejects.toMatchObject({ code: 'SLOT_UNREADABLE' })
  })

  test('is sealed up to a limit, and what is refused is not shown', async () => {
    const fits = 'x'.repeat(PROVISION_GIVEN_BYTES_MAX - '{"a":""}'.length)
    expect(await seal.open(to, await seal.seal(to, { a: fits }))).toEqual({ a: fits })

    const refused = await seal.seal(to, { a: `${fits}x` }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'SECRET_REFUSED' })
    expect(String(refused)).not.toContain('xxx')
  })
})
