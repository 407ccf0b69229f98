import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Of amd64 processors, each beyond the one before: x86-64-v2, v3 and v4 of its psABI. */
export type Level = 2 | 3 | 4

/** What the kernel calls what a processor of the level has beyond those below (cpufeatures.h). */
const FLAGS: Readonly<Record<Level, readonly string[]>> = {
  2: ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'],
  // `abm` is LZCNT; AVX is of use only where the kernel saves its registers, which `xsave` says.
  3: ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'],
  4: ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl']
}
const LEVELS: readonly Level[] = [2, 3, 4]

/**
 * Instructions of what each level brings, whose results nobody looks at: a processor without one of
 * them ends the program with SIGILL. None touches memory.
 */
export const LEVEL_CODE: Readonly<Record<Level, readonly number[]>> = {
  2: [
    // popcnt eax, eax; crc32 eax, eax (SSE4.2)
    ...[0xf3, 0x0f, 0xb8, 0xc0, 0xf2, 0x0f, 0x38, 0xf1, 0xc0],
    // pshufb xmm0, xmm0 (SSSE3); pmuldq xmm0, xmm0 (SSE4.1)
    ...[0x66, 0x0f, 0x38, 0x00, 0xc0, 0x66, 0x0f, 0x38, 0x28, 0xc0]
  ],
  3: [
    // vpaddd ymm0, ymm0, ymm0 (AVX2); vfmadd132ps ymm0, ymm0, ymm0 (FMA)
    ...[0xc5, 0xfd, 0xfe, 0xc0, 0xc4, 0xe2, 0x7d, 0x98, 0xc0],
    // andn eax, eax, eax (BMI1); pdep eax, eax, eax (BMI2); vcvtph2ps ymm0, xmm0 (F16C)
    ...[0xc4, 0xe2, 0x78, 0xf2, 0xc0, 0xc4, 0xe2, 0x7b, 0xf5, 0xc0, 0xc4, 0xe2, 0x7d, 0x13, 0xc0]
  ],
  4: [
    // vpaddd, vpaddb (BW), vpmullq (DQ) and vpconflictd (CD) on zmm0
    ...[0x62, 0xf1, 0x7d, 0x48, 0xfe, 0xc0, 0x62, 0xf1, 0x7d, 0x48, 0xfc, 0xc0],
    ...[0x62, 0xf2, 0xfd, 0x48, 0x40, 0xc0, 0x62, 0xf2, 0x7d, 0x48, 0xc4, 0xc0],
    // vpaddd ymm16, ymm16, ymm16 (VL)
    ...[0x62, 0xa1, 0x7d, 0x20, 0xfe, 0xc0]
  ]
}

/**
 * Levels that all processors of this host have by their flags, the lowest first, as /proc/cpuinfo
 * of `root` says; [] for a host of another architecture.
 */
export async function flaggedLevels(root: string): Promise<readonly Level[]> {
  return levelsOf(await readFile(join(root, 'proc/cpuinfo'), 'utf8').catch(() => ''))
}

/** Of the text of /proc/cpuinfo; a level without the one below it is none. */
export function levelsOf(text: string): readonly Level[] {
  const processors = [...text.matchAll(/^flags\s*:(.*)$/gm)].map((match) => {
    return new Set((match[1] ?? '').trim().split(/\s+/))
  })
  const has = (level: Level): boolean =>
    processors.length > 0 && processors.every((all) => FLAGS[level].every((one) => all.has(one)))
  const missing = LEVELS.findIndex((level) => !has(level))
  return missing < 0 ? LEVELS : LEVELS.slice(0, missing)
}
