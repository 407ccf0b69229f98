import { closeSync, openSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { mustRun } from '../../deploy/demo/process.ts'

const SOURCE = resolve(import.meta.dirname, 'preload', 'faults.c')

/** The library that a daemon is started with; compiled once a run. */
export async function compileFaults(root: string): Promise<string> {
  const library = join(root, 'faults.so')
  const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Werror']
  await mustRun('cc', [...flags, '-o', library, SOURCE, '-ldl'])
  return library
}

/** Disk and wall clock of one daemon, as its preloaded library plays them. */
export class Faults {
  readonly env: Readonly<Record<string, string>>
  readonly #file: number
  readonly #values = new BigInt64Array(3)

  constructor(library: string, control: string) {
    this.#file = openSync(control, 'w', 0o600)
    this.#write()
    // io_uring would sync without asking any library.
    this.env = { LD_PRELOAD: library, CHAOS_FAULTS: control, UV_USE_IO_URING: '0' }
  }

  set wallOffsetMs(offsetMs: number) {
    this.#values[0] = BigInt(Math.trunc(offsetMs))
    this.#write()
  }

  /** Every sync takes this much longer. */
  set syncDelayMs(delayMs: number) {
    this.#values[1] = BigInt(Math.trunc(delayMs))
    this.#write()
  }

  set syncFails(fails: boolean) {
    this.#values[2] = fails ? 1n : 0n
    this.#write()
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(): void {
    writeSync(this.#file, new Uint8Array(this.#values.buffer), 0, undefined, 0)
  }
}
