import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { openSecret, sealSecret } from '../../../gateway/secrets/sealed-secret.ts'

const key = randomBytes(32)
const place = { repository: 'team/kernel', name: 'NPM_TOKEN', version: 3 }
const value = Buffer.from('npm_0123456789')

test('a value opens with its key at its place, and is sealed differently each time', () => {
  const sealed = sealSecret(key, place, value)

  expect(openSecret(key, place, sealed)?.toString()).toBe('npm_0123456789')
  expect(sealSecret(key, place, value)).not.toBe(sealed)
  expect(Buffer.from(sealed, 'base64').includes(value)).toBe(false)
})

test('it opens at no other place: another repository, name or version, nor with another key', () => {
  const sealed = sealSecret(key, place, value)
  const others = [
    { ...place, repository: 'team/other' },
    { ...place, name: 'OTHER' },
    { ...place, version: 2 }
  ]

  for (const other of others) expect(openSecret(key, other, sealed)).toBeUndefined()
  expect(openSecret(randomBytes(32), place, sealed)).toBeUndefined()
})

test('a changed, cut or foreign text does not open', () => {
  const sealed = Buffer.from(sealSecret(key, place, value), 'base64')
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(openSecret(key, place, changed.toString('base64')), `byte ${at}`).toBeUndefined()
    expect(openSecret(key, place, sealed.subarray(0, at).toString('base64'))).toBeUndefined()
  }
})
