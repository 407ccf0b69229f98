import { chmod, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readSecretFile, writeSecretFile } from '../../../protocol/host/secret-file.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-secret-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('a written key can be read by its owner only', async () => {
  const path = join(dir, 'agent.key')

  await writeSecretFile(path, new Uint8Array([1, 2, 3]))

  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readSecretFile(path)).toEqual(new Uint8Array([1, 2, 3]))
})

test.each([0o640, 0o604, 0o660, 0o777, 0o620])('a key of mode %o is refused', async (mode) => {
  const path = join(dir, 'agent.key')
  await writeSecretFile(path, 'secret')
  await chmod(path, mode)

  await expect(readSecretFile(path)).rejects.toMatchObject({ code: 'KEY_MODE_WIDE' })
})

test('a key is never overwritten', async () => {
  const path = join(dir, 'agent.key')
  await writeSecretFile(path, 'first')

  await expect(writeSecretFile(path, 'second')).rejects.toMatchObject({ code: 'STATE_EXISTS' })

  expect(Buffer.from(await readSecretFile(path)).toString()).toBe('first')
})

test('an absent key names the way out', async () => {
  const missing = readSecretFile(join(dir, 'agent.key'))
  await expect(missing).rejects.toMatchObject({ code: 'STATE_ABSENT' })
  await expect(missing).rejects.toThrow('run the id or init command first')
})

test('an empty key, a huge one, a folder and a dangling link are refused', async () => {
  await writeFile(join(dir, 'empty'), '', { mode: 0o600 })
  await writeFile(join(dir, 'huge'), 'x'.repeat(5_000), { mode: 0o600 })
  await symlink(join(dir, 'nowhere'), join(dir, 'dangling'))

  await expect(readSecretFile(join(dir, 'empty'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
  await expect(readSecretFile(join(dir, 'huge'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
  await expect(readSecretFile(dir)).rejects.toMatchObject({ code: 'KEY_INVALID' })
  await expect(readSecretFile(join(dir, 'dangling'))).rejects.toMatchObject({
    code: 'STATE_ABSENT'
  })
})

test('a key that cannot be written says where', async () => {
  await writeFile(join(dir, 'file'), 'x')

  await expect(writeSecretFile(join(dir, 'file', 'agent.key'), 'x')).rejects.toMatchObject({
    code: 'STATE_ABSENT'
  })
})
