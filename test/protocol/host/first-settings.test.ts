import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  checkFirstSettings,
  firstSettingsFile,
  writeFirstSettings
} from '../../../protocol/host/first-settings.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

const BASALT = { name: 'basalt', listen: ['/ip4/0.0.0.0/tcp/4471'] }

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
})

afterEach(() => folder.remove())

test('settings are written where there are none, in a folder that is made for them', async () => {
  const path = join(folder.dir, 'etc', 'runner-mesh', 'agent.yaml')
  const file = await firstSettingsFile(path)

  checkFirstSettings(file, BASALT, { name: 'host', listen: [] })
  await writeFirstSettings(file, BASALT)

  expect(await readFile(path, 'utf8')).toBe('name: basalt\nlisten:\n  - /ip4/0.0.0.0/tcp/4471\n')
  expect((await stat(join(folder.dir, 'etc'))).mode & 0o777).toBe(0o755)
})

test('settings that are there stay as they are, to the byte', async () => {
  const path = join(folder.dir, 'agent.yaml')
  const text = '# ours\nname: basalt\n'
  await writeFile(path, text)
  const file = await firstSettingsFile(path)

  checkFirstSettings(file, BASALT, BASALT)
  await writeFirstSettings(file, BASALT)

  expect([file.exists, await readFile(path, 'utf8')]).toEqual([true, text])
})

test.each([
  ['name', { ...BASALT, name: 'slate' }],
  ['listen', { ...BASALT, listen: ['/ip4/0.0.0.0/tcp/1'] }]
])('an option that says another %s than the file is refused', async (key, wanted) => {
  const path = join(folder.dir, 'agent.yaml')
  await writeFile(path, 'name: basalt\n')
  const file = await firstSettingsFile(path)

  expect(() => checkFirstSettings(file, wanted, BASALT)).toThrow(`--${key} is not what ${path}`)
})
