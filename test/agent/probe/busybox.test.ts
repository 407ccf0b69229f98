import { chmod, copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { busyboxProblem, elfLayout, isStatic } from '../../../agent/probe/busybox.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

let dir: string
beforeEach(async () => {
  dir = await temporaryFolder()
})

async function program(text: string | Uint8Array): Promise<string> {
  const path = join(dir, 'program')
  await writeFile(path, text)
  await chmod(path, 0o755)
  return path
}

interface Shape {
  readonly wide: boolean
  readonly little: boolean
  readonly types: readonly number[]
}

const PT_LOAD = 1
const PT_INTERP = 3

/** The head of an ELF program with these program headers, of any word size and byte order. */
function elf({ wide, little, types }: Shape): Uint8Array {
  const [head, size] = wide ? [64, 56] : [52, 32]
  const view = new DataView(new ArrayBuffer(Math.max(64, head + size * types.length)))
  view.setUint32(0, 0x7f_45_4c_46)
  view.setUint8(4, wide ? 2 : 1)
  view.setUint8(5, little ? 1 : 2)
  if (wide) view.setBigUint64(32, BigInt(head), little)
  else view.setUint32(28, head, little)
  view.setUint16(wide ? 54 : 42, size, little)
  view.setUint16(wide ? 56 : 44, types.length, little)
  for (const [index, type] of types.entries()) view.setUint32(head + index * size, type, little)
  return new Uint8Array(view.buffer)
}

const SHAPES = [true, false].flatMap((wide) => [true, false].map((little) => ({ wide, little })))

test.each(SHAPES)('a program that asks for a loader is not static: %j', async (shape) => {
  const types = [PT_LOAD, PT_INTERP, PT_LOAD]

  expect(await isStatic(await program(elf({ ...shape, types })))).toBe(false)
  expect(await isStatic(await program(elf({ ...shape, types: [PT_LOAD, PT_LOAD] })))).toBe(true)
})

test.each([
  ['a script', '#!/bin/sh\necho sh tar chown id\n'],
  ['nothing', ''],
  ['no program headers', elf({ wide: true, little: true, types: [] })],
  ['more headers than any program has', elf({ wide: true, little: true, types: Array(65).fill(1) })]
])('what is no ELF program is not static: %s', async (_name, content) => {
  expect(await isStatic(await program(content))).toBe(false)
})

test('a header that is cut or of another form has no layout', () => {
  expect(elfLayout(new DataView(new ArrayBuffer(64)))).toBeUndefined()
  const { buffer } = elf({ wide: true, little: true, types: [PT_LOAD] })
  expect(elfLayout(new DataView(buffer))).toEqual({ little: true, offset: 64, size: 56, count: 1 })
})

test('a dynamic busybox cannot guard: it would look for its libraries in the image', async () => {
  const dynamic = await program(elf({ wide: true, little: true, types: [PT_INTERP] }))

  const problem = await busyboxProblem(dynamic)

  expect(problem).toMatchObject({ part: 'busybox', blocking: true })
  expect(problem?.found).toBe(`${dynamic} is not static: it cannot run inside an image`)
  expect(problem?.fix).toContain('apt-get install busybox-static')
})

test('a static program that does not run as busybox is named with what it said', async () => {
  const broken = await program(elf({ wide: true, little: true, types: [PT_LOAD] }))

  expect((await busyboxProblem(broken))?.found).toContain(`${broken} cannot be used: `)
})

test('one that is not there is named', async () => {
  const path = join(dir, 'absent')

  expect((await busyboxProblem(path))?.found).toMatch(/absent cannot be used: ENOENT/)
})

test('the static busybox of this host can guard, a copy of it under another name cannot', async () => {
  const copy = join(dir, 'box')
  await copyFile('/bin/busybox', copy)

  expect(await busyboxProblem('/bin/busybox')).toBeUndefined()
  expect(await busyboxProblem(copy)).toMatchObject({ blocking: true })
})
