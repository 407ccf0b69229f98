import type { ContainerExec, ExecEnd, ExecRequest } from './engine-types.ts'

/** Characters of what a helper said that are kept: enough for one error message. */
const HELPER_CHARACTERS_MAX = 1_000

export type HelperCall = Pick<ExecRequest, 'command' | 'user' | 'stdin' | 'signal'>

/** Runs a short program of ours in a box, with no variables, and keeps the first that it said. */
export async function runHelper(
  exec: (request: ContainerExec) => Promise<ExecEnd>,
  call: HelperCall
): Promise<{ readonly end: ExecEnd; readonly said: string }> {
  let said = ''
  const onOutput = (_stream: 'out' | 'err', bytes: Uint8Array): void => {
    said = (said + Buffer.from(bytes).toString('utf8')).slice(0, HELPER_CHARACTERS_MAX)
  }
  const end = await exec({ ...call, env: [], workdir: '/', onOutput })
  return { end, said }
}
