import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { RULES_CALL_MS_MAX } from '../../../protocol/core/network-limits.ts'

/** Where systems have them, whatever the agent's own path is. */
const PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin'
/** Of 1 024 jobs with 64 entries each; a listing beyond it is not ours. */
const OUTPUT_BYTES_MAX = 33_554_432

/** What a tool for the kernel's rules writes; rejects with the first line of its complaint. */
export async function runTool(
  name: string,
  args: readonly string[],
  input: string
): Promise<string> {
  const limits = {
    timeout: RULES_CALL_MS_MAX,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX
  } as const
  const env = { PATH, LC_ALL: 'C' }
  const call = promisify(execFile)(name, [...args], { ...limits, env })
  call.child.stdin?.on('error', () => undefined)
  call.child.stdin?.end(input)
  try {
    return (await call).stdout
  } catch (error) {
    const { code, stderr = '' } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') throw new Error(`${name} is not installed`, { cause: error })
    const said = stderr.trim().split('\n')[0] ?? ''
    const cause = said === '' ? `${name} did not answer (${String(code)})` : said
    throw new Error(cause, { cause: error })
  }
}
