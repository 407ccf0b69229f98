import { expect, test } from 'vitest'
import { AttemptSecrets } from '../../../agent/execute/attempt-secrets.ts'
import { secretFileCommand } from '../../../agent/execute/secret-mounts.ts'

const spec = {
  secrets: [
    { name: 'TOKEN', file: undefined },
    { name: 'KEY', file: '/run/secrets/key.pem' }
  ]
}
const values = () => [
  { name: 'TOKEN', value: Buffer.from('hunter22') },
  { name: 'KEY', value: Buffer.from('-----BEGIN-----') }
]

test('variables go into the environment and files do not', () => {
  const secrets = new AttemptSecrets(spec, values())

  expect(secrets.env()).toEqual(['TOKEN=hunter22'])
  expect(secrets.files().map(({ path }) => path)).toEqual(['/run/secrets/key.pem'])
  expect(secrets.masker.text('hunter22 -----BEGIN-----')).toBe('*** ***')
})

test('a secret that was not released is no empty variable', () => {
  expect(() => new AttemptSecrets(spec, []).env()).toThrow('TOKEN')
})

test('erased values are zeros, and the masker still knows them', () => {
  const given = values()
  const secrets = new AttemptSecrets(spec, given)
  secrets.erase()

  expect(given.every(({ value }) => value.every((byte) => byte === 0))).toBe(true)
  expect(secrets.masker.text('hunter22')).toBe('***')
})

test('the command that writes a file has its path and nothing of its value', () => {
  expect(secretFileCommand('/run/secrets/key.pem').join(' ')).not.toContain('BEGIN')
})
