import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { emulatedArchs } from '../../../agent/probe/emulators.ts'
import { MACHINES } from '../../../agent/probe/tiny-program.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

let root: string
beforeEach(async () => {
  root = await temporaryFolder()
})

const FOLDER = 'proc/sys/fs/binfmt_misc'

interface Handler {
  readonly state?: string
  readonly flags?: string
  readonly offset?: number
  readonly magic: string
}

/** A tree as the kernel shows it, with these handlers by the names somebody gave them. */
async function tree(handlers: Readonly<Record<string, Handler>>, status = 'enabled') {
  const dir = join(root, FOLDER)
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'status'), `${status}\n`)
  await writeFile(join(dir, 'register'), '')
  for (const [name, { state = 'enabled', flags = 'PF', offset = 0, magic }] of Object.entries(
    handlers
  )) {
    const text = `${state}\ninterpreter /usr/libexec/x\nflags: ${flags}\noffset ${offset}\nmagic ${magic}\nmask ${'ff'.repeat(20)}\n`
    await writeFile(join(dir, name), text)
  }
}

/** The head of a program: word size, byte order, machine. */
function magic(wide: boolean, little: boolean, machine: number): string {
  const bytes = Buffer.alloc(20)
  bytes.writeUInt32BE(0x7f_45_4c_46)
  bytes.set([wide ? 2 : 1, little ? 1 : 2, 1], 4)
  if (little) bytes.writeUInt16LE(machine, 18)
  else bytes.writeUInt16BE(machine, 18)
  return bytes.toString('hex')
}

const ARM64 = magic(true, true, MACHINES.arm64.number)

test('every machine that we have a program for is found by its magic, not by its name', async () => {
  const handlers = Object.entries(MACHINES).map(([, { wide, number }], index) => {
    return [`handler-${index}`, { magic: magic(wide, true, number) }] as const
  })
  await tree(Object.fromEntries(handlers))

  expect(await emulatedArchs(root)).toEqual(['386', 'amd64', 'arm', 'arm64', 'riscv64'])
})

test('two handlers for one machine are one', async () => {
  await tree({ 'qemu-aarch64': { magic: ARM64 }, fex: { magic: ARM64, flags: 'POCF' } })

  expect(await emulatedArchs(root)).toEqual(['arm64'])
})

test('where it is not mounted, nothing is emulated', async () => {
  expect(await emulatedArchs(root)).toEqual([])
  await mkdir(join(root, FOLDER), { recursive: true })
  expect(await emulatedArchs(root)).toEqual([])
})

test('where all handlers are off, nothing is emulated', async () => {
  await tree({ 'qemu-aarch64': { magic: ARM64 } }, 'disabled')

  expect(await emulatedArchs(root)).toEqual([])
})

test.each<[string, Handler]>([
  ['is off', { magic: ARM64, state: 'disabled' }],
  ['containers cannot reach: no F', { magic: ARM64, flags: 'POC' }],
  ['looks elsewhere in the file', { magic: ARM64, offset: 4 }],
  ['is for the other byte order', { magic: magic(true, false, MACHINES.arm64.number) }],
  ['is for the other word size', { magic: magic(false, true, MACHINES.arm64.number) }],
  ['is for a machine we have no program for', { magic: magic(true, true, 22) }],
  ['is for no ELF program', { magic: '504b0304'.padEnd(40, '0') }],
  ['has a magic too short to say', { magic: '7f454c4602' }],
  ['is garbage', { magic: 'xyz' }]
])('a handler that %s is no platform', async (_what, handler) => {
  await tree({ 'qemu-aarch64': handler, python3: { magic: '', flags: '' } })

  expect(await emulatedArchs(root)).toEqual([])
})
