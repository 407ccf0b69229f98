import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { loadSettings } from '../../../protocol/host/settings.ts'

const schema = z.strictObject({
  name: z.string().default('unnamed'),
  listen: z.array(z.string()).default([]),
  capacity: z.strictObject({ jobs: z.number().int().positive() }).optional()
})

let dir = ''
let file = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-settings-'))
  file = join(dir, 'agent.yaml')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const load = (parts: { flags?: Record<string, unknown>; env?: Record<string, string> } = {}) =>
  loadSettings(schema, {
    flags: parts.flags ?? {},
    variables: { name: 'MESH_NAME', listen: 'MESH_LISTEN' },
    env: parts.env ?? {},
    file,
    fileRequired: false
  })

test('a flag beats the environment, which beats the file, which beats the default', async () => {
  expect(await load()).toEqual({
    values: { name: 'unnamed', listen: [] },
    origins: { name: 'default', listen: 'default' }
  })
  await writeFile(file, 'name: from-file\n')
  expect((await load()).values.name).toBe('from-file')
  const env = { MESH_NAME: 'from-environment', MESH_LISTEN: '[/ip4/127.0.0.1/tcp/1]' }
  expect((await load({ env })).values).toEqual({
    name: 'from-environment',
    listen: ['/ip4/127.0.0.1/tcp/1']
  })
  const loaded = await load({ env, flags: { name: 'from-flag', listen: undefined } })
  expect(loaded.values.name).toBe('from-flag')
  expect(loaded.origins).toEqual({ name: 'flag', listen: 'environment' })
})

test('a bad value in the file is named with line and column', async () => {
  await writeFile(file, 'name: onyx\ncapacity:\n  jobs: many\n')

  await expect(load()).rejects.toThrow(`${file}:3:9: capacity.jobs:`)
})

test('a misspelt setting is refused, not ignored', async () => {
  await writeFile(file, 'name: onyx\nlisen: []\n')

  await expect(load()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await expect(load()).rejects.toThrow('lisen')
})

test.each(['name: [', '- a list', 'a: 1\na: 2', 'name: "open'])(
  'a file that is no settings file is refused: %s',
  async (text) => {
    await writeFile(file, text)

    await expect(load()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  }
)

test('a bad environment value names its variable', async () => {
  await expect(load({ env: { MESH_LISTEN: '7' } })).rejects.toThrow('MESH_LISTEN')
})
