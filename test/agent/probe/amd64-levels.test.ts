import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { flaggedLevels, levelsOf } from '../../../agent/probe/amd64-levels.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const V2 = 'fpu sse sse2 cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3'
const V3 = `${V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`
const V4 = `${V3} avx512f avx512bw avx512cd avx512dq avx512vl`

function cpuinfo(...flags: readonly string[]): string {
  return flags
    .map(
      (each, index) =>
        `processor\t: ${index}\nvendor_id\t: X\nflags\t\t: ${each}\nbugs\t\t: spectre\n`
    )
    .join('\n')
}

test.each([
  ['nothing beyond the first', 'fpu sse sse2', []],
  ['the second', V2, [2]],
  ['the third', V3, [2, 3]],
  ['the fourth', V4, [2, 3, 4]],
  ['the second, with one flag of the third missing', V3.replace(' movbe', ''), [2]],
  ['none, with one of the second missing, whatever else there is', V4.replace(' cx16', ''), []],
  ['the third, where half of the fourth is hidden', V4.replace(' avx512cd', ''), [2, 3]],
  ['none by a flag that only begins alike', V2.replace('popcnt', 'popcntx'), []]
])('a processor has %s', (_what, flags, expected) => {
  expect(levelsOf(cpuinfo(flags, flags))).toEqual(expected)
})

test('a host has what all of its processors have', () => {
  expect(levelsOf(cpuinfo(V4, V2, V4))).toEqual([2])
  expect(levelsOf(cpuinfo(V4, ''))).toEqual([])
})

test('a host of another architecture, or whose kernel says nothing, has none', async () => {
  // arm64 calls them otherwise.
  expect(levelsOf('processor\t: 0\nFeatures\t: fp asimd popcnt\n')).toEqual([])
  expect(await flaggedLevels(await temporaryFolder())).toEqual([])
})

test('they are read below the folder that is given', async () => {
  const root = await temporaryFolder()
  await mkdir(join(root, 'proc'))
  await writeFile(join(root, 'proc/cpuinfo'), cpuinfo(V3))
  expect(await flaggedLevels(root)).toEqual([2, 3])
})
