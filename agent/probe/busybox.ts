import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { causeOf } from '../../protocol/core/errors.ts'
import { Stopwatch } from '../execute/stopwatch.ts'
import type { HostProblem } from './host-profile.ts'

/** Program header that names a dynamic loader. */
const PT_INTERP = 3
const HEADER_BYTES = 64
const PROGRAM_HEADERS_MAX = 64
const RUN_MS_MAX = 5_000
/** What sandboxes run of it. */
const APPLETS = [
  ...['sh', 'tar', 'chown', 'id', 'mkdir'],
  ...['mkfifo', 'tee', 'tail', 'head', 'stat', 'sleep']
] as const
/** How the guard waits: without a fork, on a terminal that stays silent. */
const WAIT = 'exec 3<>/dev/ptmx; read -r -t 0.05 _ <&3; echo $((1 + 1))'
const WAIT_MS_MIN = 45

const FIX = 'apt-get install busybox-static, or name a static busybox as `busybox` in agent.yaml'

/** What keeps this busybox from being a sandbox's guard; undefined for nothing. */
export async function busyboxProblem(path: string): Promise<HostProblem | undefined> {
  const problem = (found: string): HostProblem => ({
    part: 'busybox',
    blocking: true,
    found: `${path} ${found}`,
    fix: FIX
  })
  try {
    if (!(await isStatic(path))) return problem('is not static: it cannot run inside an image')
    const applets = new Set((await run(path, ['--list'])).split('\n'))
    const missing = APPLETS.filter((applet) => !applets.has(applet))
    if (missing.length > 0) return problem(`lacks ${missing.join(', ')}`)
    const stopwatch = new Stopwatch()
    const said = await run(path, ['sh', '-c', WAIT])
    if (said.trim() === '2' && stopwatch.ms() >= WAIT_MS_MIN) return undefined
    return problem('cannot wait without a fork (read -t)')
  } catch (error) {
    return problem(`cannot be used: ${causeOf(error)}`)
  }
}

/** True for an ELF program that asks for no dynamic loader. */
export async function isStatic(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES))
    await file.read(new Uint8Array(header.buffer), 0, HEADER_BYTES, 0)
    const layout = elfLayout(header)
    if (layout === undefined) return false
    const bytes = new Uint8Array(layout.size * layout.count)
    await file.read(bytes, 0, bytes.length, layout.offset)
    const headers = new DataView(bytes.buffer)
    const types = Array.from({ length: layout.count }, (_, index) =>
      headers.getUint32(index * layout.size, layout.little)
    )
    return !types.includes(PT_INTERP)
  } finally {
    await file.close()
  }
}

interface ElfLayout {
  readonly little: boolean
  readonly offset: number
  readonly size: number
  readonly count: number
}

/** Where an ELF file's program headers are; undefined for anything else. */
export function elfLayout(header: DataView): ElfLayout | undefined {
  if (header.getUint32(0) !== 0x7f_45_4c_46) return undefined
  const wide = header.getUint8(4) === 2
  const little = header.getUint8(5) === 1
  const offset = wide ? Number(header.getBigUint64(32, little)) : header.getUint32(28, little)
  const size = header.getUint16(wide ? 54 : 42, little)
  const count = header.getUint16(wide ? 56 : 44, little)
  if (size < 4 || count === 0 || count > PROGRAM_HEADERS_MAX) return undefined
  return { little, offset, size, count }
}

async function run(path: string, args: readonly string[]): Promise<string> {
  const limits = { timeout: RUN_MS_MAX, killSignal: 'SIGKILL' } as const
  return (await promisify(execFile)(path, [...args], { ...limits, env: {} })).stdout
}
