import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { readPids } from '../../../agent/policy/pids-reading.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

async function tree(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryFolder()
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, 'proc', name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  return root
}

const LOADAVG = '0.20 0.18 0.12 3/1234 11206\n'

test('the lower one of the two limits counts, against all threads that there are', async () => {
  const ids = {
    loadavg: LOADAVG,
    'sys/kernel/pid_max': '32768\n',
    'sys/kernel/threads-max': '95000\n'
  }
  expect(readPids(await tree(ids))).toEqual({ used: 1_234, max: 32_768 })
  const memory = { ...ids, 'sys/kernel/threads-max': '7000\n' }
  expect(readPids(await tree(memory))).toEqual({ used: 1_234, max: 7_000 })
})

test('a host that does not say both, or not in numbers, says nothing', async () => {
  const files = { loadavg: LOADAVG, 'sys/kernel/pid_max': '32768\n' }
  expect(readPids(await tree(files))).toBeUndefined()
  const strange = { ...files, 'sys/kernel/threads-max': 'many\n' }
  expect(readPids(await tree(strange))).toBeUndefined()
  const silent = { ...files, 'sys/kernel/threads-max': '1\n', loadavg: '0.20 0.18\n' }
  expect(readPids(await tree(silent))).toBeUndefined()
})

test('this host has some, and fewer than it may have', () => {
  const pids = readPids()
  expect(pids?.used).toBeGreaterThan(1)
  expect(pids?.max).toBeGreaterThan(pids?.used ?? 0)
})
