import { spawnSync } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { flaggedLevels, LEVEL_CODE } from '../../../agent/probe/amd64-levels.ts'
import { elfLayout, isStatic } from '../../../agent/probe/busybox.ts'
import {
  type Arch,
  levelProgram,
  MACHINES,
  TINY_EXIT_CODE,
  tinyProgram
} from '../../../agent/probe/tiny-program.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const ARCHS = Object.keys(MACHINES) as Arch[]

/** What this process itself runs on. */
const NATIVE: Readonly<Record<string, Arch>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  riscv64: 'riscv64'
}

async function written(arch: Arch): Promise<string> {
  const path = join(await temporaryFolder(), arch)
  await writeFile(path, tinyProgram(arch))
  await chmod(path, 0o700)
  return path
}

test('the program of this processor runs, and says so by its exit code', async () => {
  const arch = NATIVE[process.arch]
  expect(arch).toBeDefined()

  const { status, error } = spawnSync(await written(arch ?? 'amd64'))

  expect([status, error]).toEqual([TINY_EXIT_CODE, undefined])
})

test('the program for each level that these processors have by their flags runs here', async () => {
  const levels = await flaggedLevels('/')
  // Of none there is nothing to show: these tests run on amd64 processors of this century.
  expect(levels.length).toBeGreaterThan(0)
  for (const level of levels) {
    const path = join(await temporaryFolder(), `v${level}`)
    await writeFile(path, levelProgram(level))
    await chmod(path, 0o700)
    expect([level, spawnSync(path).status]).toEqual([level, TINY_EXIT_CODE])
    expect(Buffer.from(levelProgram(level)).includes(Buffer.from(LEVEL_CODE[level]))).toBe(true)
  }
})

test.each(ARCHS)('the program for %s is a static one of a hundred bytes', async (arch) => {
  const bytes = tinyProgram(arch)

  expect(bytes.length).toBeGreaterThanOrEqual(96)
  expect(bytes.length).toBeLessThanOrEqual(132)
  expect(await isStatic(await written(arch))).toBe(true)
})

test.each(ARCHS)('the program for %s starts with its code, the last bytes of the file', (arch) => {
  const bytes = tinyProgram(arch)
  const view = new DataView(bytes.buffer)
  const { wide, code, number } = MACHINES[arch]
  const layout = elfLayout(view)
  const head = layout?.offset ?? 0
  const [entry, base] = wide
    ? [Number(view.getBigUint64(24, true)), Number(view.getBigUint64(head + 16, true))]
    : [view.getUint32(24, true), view.getUint32(head + 8, true)]

  expect(view.getUint16(18, true)).toBe(number)
  expect(layout?.count).toBe(1)
  expect([...bytes.subarray(entry - base)]).toEqual([...code])
})
