import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Arch, MACHINES } from './tiny-program.ts'

const BINFMT_DIR = 'proc/sys/fs/binfmt_misc'
/** Files of that folder that are no handlers. */
const CONTROLS: ReadonlySet<string> = new Set(['register', 'status'])
/** Of an ELF header: the fields that tell the machine end here. */
const MACHINE_END = 20

/**
 * Architectures whose programs this host's kernel hands to an emulator that containers reach as
 * well, as /proc/sys/fs/binfmt_misc of `root` says; [] where that is not mounted. Whether the
 * emulator works is another question: see provenPlatforms.
 */
export async function emulatedArchs(root: string): Promise<readonly Arch[]> {
  const dir = join(root, BINFMT_DIR)
  const read = (name: string): Promise<string> => readFile(join(dir, name), 'utf8').catch(() => '')
  if ((await read('status')).trim() !== 'enabled') return []
  const names = (await readdir(dir).catch(() => [])).filter((name) => !CONTROLS.has(name))
  const found = await Promise.all(names.map(async (name) => archOf(await read(name))))
  return [...new Set(found.filter((arch) => arch !== undefined))].sort()
}

/** Undefined for a handler that is off, that containers cannot reach, or of no program of ours. */
function archOf(text: string): Arch | undefined {
  const lines = text.split('\n')
  const fieldOf = (key: string): string => {
    const line = lines.find((each) => each.startsWith(`${key} `)) ?? ''
    return line.slice(key.length).trim()
  }
  if (lines[0]?.trim() !== 'enabled') return undefined
  // Without F the kernel looks for the emulator inside the container, where there is none.
  if (!fieldOf('flags:').includes('F') || fieldOf('offset') !== '0') return undefined
  const magic = Buffer.from(fieldOf('magic'), 'hex')
  // A handler's name is whatever somebody registered it under: the kernel goes by its magic.
  if (magic.length < MACHINE_END || magic.readUInt32BE(0) !== 0x7f_45_4c_46) return undefined
  const [size, order, machine] = [magic[4], magic[5], magic.readUInt16LE(18)]
  if (order !== 1) return undefined
  return ARCHS.find((arch) => {
    const { wide, number } = MACHINES[arch]
    return number === machine && (wide ? 2 : 1) === size
  })
}

const ARCHS = Object.keys(MACHINES) as Arch[]
