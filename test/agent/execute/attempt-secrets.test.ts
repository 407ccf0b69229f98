import { expect, test } from 'vitest'
import { AttemptSecrets } from '../../../agent/execute/attempt-secrets.ts'
import type { ContainerBody } from '../../../agent/execute/engine-types.ts'
import { secretFileCommand, withSecretMounts } from '../../../agent/execute/secret-mounts.ts'

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

test('a file of several lines ends with a line end, one of a single line is the bare value', () => {
  const textOf = (text: string): string => {
    const files = new AttemptSecrets({ secrets: [{ name: 'KEY', file: '/run/secrets/k' }] }, [
      { name: 'KEY', value: Buffer.from(text) }
    ]).files()
    return Buffer.from(files[0]?.value ?? []).toString()
  }

  expect([textOf('one line'), textOf('two\nlines'), textOf('two\nlines\n')]).toEqual([
    'one line',
    'two\nlines\n',
    'two\nlines\n'
  ])
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

test('a place that a profile has in memory already is not mounted twice', () => {
  const Mounts = [{ Type: 'volume', Source: 'v', Target: '/.runner-mesh/steps', ReadOnly: false }]
  const body = { HostConfig: { Mounts } } as unknown as ContainerBody
  const bare = { HostConfig: { Mounts: [] } } as unknown as ContainerBody

  expect(Object.keys(withSecretMounts(body).HostConfig['Tmpfs'] ?? {})).toEqual(['/run/secrets'])
  expect(Object.keys(withSecretMounts(bare).HostConfig['Tmpfs'] ?? {})).toHaveLength(2)
})
