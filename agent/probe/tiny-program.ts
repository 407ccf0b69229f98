import { LEVEL_CODE, type Level } from './amd64-levels.ts'

/** Architectures that a program of ours is here for: no other is ever offered. */
export type Arch = 'amd64' | '386' | 'arm64' | 'arm' | 'riscv64'

/** What each of the programs exits with. */
export const TINY_EXIT_CODE = 42

interface Machine {
  readonly wide: boolean
  /** `e_machine` of elf(5). */
  readonly number: number
  readonly flags: number
  /** exit(42) by a system call, in this machine's code. */
  readonly code: readonly number[]
}

export const MACHINES: Readonly<Record<Arch, Machine>> = {
  amd64: {
    wide: true,
    number: 62,
    flags: 0,
    // mov edi, 42; mov eax, 60; syscall
    code: [0xbf, 0x2a, 0, 0, 0, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05]
  },
  386: {
    wide: false,
    number: 3,
    flags: 0,
    // mov ebx, 42; mov eax, 1; int 0x80
    code: [0xbb, 0x2a, 0, 0, 0, 0xb8, 0x01, 0, 0, 0, 0xcd, 0x80]
  },
  arm64: {
    wide: true,
    number: 183,
    flags: 0,
    // mov x0, #42; mov x8, #93; svc #0
    code: [...word(0xd280_0540), ...word(0xd280_0ba8), ...word(0xd400_0001)]
  },
  arm: {
    wide: false,
    number: 40,
    // Version 5 of its calling convention: the kernel takes no other.
    flags: 0x0500_0000,
    // mov r0, #42; mov r7, #1; svc #0
    code: [...word(0xe3a0_002a), ...word(0xe3a0_7001), ...word(0xef00_0000)]
  },
  riscv64: {
    wide: true,
    number: 243,
    flags: 0,
    // li a0, 42; li a7, 93; ecall
    code: [...word(0x02a0_0513), ...word(0x05d0_0893), ...word(0x0000_0073)]
  }
}

const PAGE_BYTES = 4_096
const BASE = 0x1_0000
const ET_EXEC = 2
const PT_LOAD = 1
const READ_AND_EXECUTE = 5

/** A static ELF program of 96 to 132 bytes (elf(5)) that exits with TINY_EXIT_CODE. */
export function tinyProgram(arch: Arch): Uint8Array {
  return elfProgram(MACHINES[arch])
}

/** Likewise, for a processor of amd64 that has `level`: on another one it ends by a signal. */
export function levelProgram(level: Level): Uint8Array {
  const { code, ...amd64 } = MACHINES.amd64
  return elfProgram({ ...amd64, code: [...LEVEL_CODE[level], ...code] })
}

function elfProgram({ wide, number, flags, code }: Machine): Uint8Array {
  const head = wide ? 64 : 52
  const start = head + (wide ? 56 : 32)
  const size = start + code.length
  const view = new DataView(new ArrayBuffer(size))
  const half = (at: number, value: number): void => view.setUint16(at, value, true)
  const full = (at: number, value: number): void => view.setUint32(at, value, true)
  /** An address or a size: as wide as the machine. */
  const address = (at: number, value: number): void => {
    if (wide) view.setBigUint64(at, BigInt(value), true)
    else full(at, value)
  }
  view.setUint32(0, 0x7f_45_4c_46)
  // Class, little-endian, version.
  for (const [at, value] of [wide ? 2 : 1, 1, 1].entries()) view.setUint8(4 + at, value)
  half(16, ET_EXEC)
  half(18, number)
  full(20, 1)
  address(24, BASE + start)
  address(wide ? 32 : 28, head)
  full(wide ? 48 : 36, flags)
  half(wide ? 52 : 40, head)
  half(wide ? 54 : 42, start - head)
  half(wide ? 56 : 44, 1)
  full(head, PT_LOAD)
  full(head + (wide ? 4 : 24), READ_AND_EXECUTE)
  // Offset 0 in the file, then the address twice, then the size twice: all of it is loaded.
  const [virtual, physical, inFile, inMemory, align] = wide
    ? [16, 24, 32, 40, 48]
    : [8, 12, 16, 20, 28]
  address(head + virtual, BASE)
  address(head + physical, BASE)
  address(head + inFile, size)
  address(head + inMemory, size)
  address(head + align, PAGE_BYTES)
  const bytes = new Uint8Array(view.buffer)
  bytes.set(code, start)
  return bytes
}

function word(value: number): readonly number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
}
