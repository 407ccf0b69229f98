import { expect, test } from 'vitest'
import { AttemptSecrets } from '../../../agent/execute/attempt-secrets.ts'
import type { ContainerBody } from '../../../agent/execute/engine-types.ts'
import { secretFileCommand, withSecretMounts } from '../../../agent/execute/secret-mounts.ts'
import { volumesOf } from '../../../agent/execute/volume.ts'

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

test('a login is for images of its registry, for no step, and both parts of it are masked', () => {
  const pull = { name: 'PULL', file: undefined, registry: 'registry.example:5000' }
  const value = Buffer.from('ci:hunter22')
  const secrets = new AttemptSecrets({ secrets: [pull] }, [{ name: 'PULL', value }])

  expect([secrets.env(), secrets.files()]).toEqual([[], []])
  expect(secrets.loginFor('registry.example:5000/team/tool:1')).toEqual({
    registry: 'registry.example:5000',
    user: 'ci',
    password: 'hunter22'
  })
  for (const other of ['registry.example/team/tool', 'team/tool', 'registry.example:5001/tool']) {
    expect(secrets.loginFor(other)).toBeUndefined()
  }
  const basic = value.toString('base64')
  expect(secrets.masker.text(`hunter22 ci:hunter22 ${basic.slice(0, -1)}`)).not.toMatch(
    /hunter|Y2k6/
  )
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

const STEPS_INSIDE = '/.runner-mesh/steps'
const bodyWith = (Mounts: readonly object[]): ContainerBody =>
  ({ Labels: { 'runner-mesh.peer': 'p' }, HostConfig: { Mounts } }) as unknown as ContainerBody

test('a place that a profile has in memory already is not mounted twice', () => {
  const taken = { Type: 'volume', Source: 'v', Target: STEPS_INSIDE, ReadOnly: false }
  const placesOf = (mounts: readonly object[]): readonly string[] =>
    withSecretMounts(bodyWith(mounts), 'v', 0).HostConfig.Mounts.map(({ Target }) => Target)

  expect(placesOf([taken])).toEqual([STEPS_INSIDE, '/run/secrets'])
  expect(placesOf([])).toEqual(['/run/secrets', STEPS_INSIDE])
})

test('secrets are in memory of root of the box, whatever the host calls it', () => {
  const { HostConfig } = withSecretMounts(bodyWith([]), 'job-1', 100_000)

  expect(volumesOf(bodyWith(HostConfig.Mounts))).toEqual(['job-1-secrets', 'job-1-steps'])
  expect(HostConfig.Mounts[0]?.VolumeOptions).toMatchObject({
    NoCopy: true,
    Labels: { 'runner-mesh.peer': 'p' },
    DriverConfig: { Options: { o: expect.stringContaining('mode=1777,uid=100000,gid=100000') } }
  })
})
