import type { RunTool } from '../../probe/gpu/tools.ts'

/**
 * Programs of NVIDIA's toolkit that run as root beside what an image brings: before this version an
 * image could leave its container by them (CVE-2024-0132, CVE-2025-23359, CVE-2025-23266).
 */
export const TOOLKIT_LEAST = '1.17.8'

const PROGRAMS = ['nvidia-ctk', 'nvidia-container-runtime', 'nvidia-container-cli'] as const
/** The first is its own; runtimes print that of runc below. */
const VERSION = /version:?\s+v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(-[\w.]+)?/i

/** Of this host; '' where it does not say its version, undefined where there is none. */
export async function toolkitVersion(run: RunTool): Promise<string | undefined> {
  const found: string[] = []
  for (const program of PROGRAMS) {
    const answer = await run(program, ['--version'])
    if (answer.kind === 'absent') continue
    found.push(answer.kind === 'said' ? (VERSION.exec(answer.text)?.[0] ?? '') : '')
  }
  // They are installed by packages of their own: the oldest is what an image meets.
  return found.map(plainVersion).sort(compare)[0]
}

/** Whether images of strangers may meet it. */
export function isToolkitSafe(version: string | undefined): boolean {
  return version !== undefined && version !== '' && compare(version, TOOLKIT_LEAST) >= 0
}

function plainVersion(said: string): string {
  const [, major, minor, patch, before] = VERSION.exec(said) ?? []
  return major === undefined ? '' : `${major}.${minor}.${patch}${before ?? ''}`
}

function compare(one: string, other: string): number {
  const [a, b] = [parts(one), parts(other)]
  const at = a.findIndex((part, index) => part !== b[index])
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

/** What comes before a version is below it; what says none is below all. */
function parts(version: string): readonly number[] {
  const [, major, minor, patch, before] = /^(\d+)\.(\d+)\.(\d+)(-.*)?$/.exec(version) ?? []
  if (major === undefined) return [-1, 0, 0, 0]
  return [Number(major), Number(minor), Number(patch), before === undefined ? 0 : -1]
}
