import { OUTPUTS_FILE_BYTES_MAX } from '../../protocol/core/graph-limits.ts'
import type { Masker } from '../../protocol/core/masker/masker.ts'
import { type Outputs, parseOutputs } from '../../protocol/core/outputs.ts'
import type { AttemptInput } from './attempt.ts'
import type { ContainerExec, ExecEnd } from './engine-types.ts'
import { BUSYBOX_INSIDE } from './guard.ts'
import type { Verdict } from './outcome.ts'
import type { OutputFile, Sandbox } from './sandbox.ts'
import { RECORD_INSIDE } from './step-record.ts'

/** Where steps write what the jobs that need theirs get; steps find it in RUNNER_MESH_OUTPUT. */
export const OUTPUT_INSIDE = `${RECORD_INSIDE}/outputs`

/** Milliseconds for reading it: a job may have put there what never ends. */
const READ_MS_MAX = 10_000

/** `busybox sh -c READ BUSYBOX FILE BYTES`: a pipe or a device in its place is none. */
const READ = '[ -f "$1" ] || exit 0; exec "$0" head -c "$2" "$1"'

/** What is there, and a byte more than may be; with the rights of the user that steps run as. */
export async function readOutputFile(
  exec: (request: ContainerExec) => Promise<ExecEnd>,
  user: string,
  signal: AbortSignal
): Promise<OutputFile> {
  const command = [BUSYBOX_INSIDE, 'sh', '-c', READ, BUSYBOX_INSIDE, OUTPUT_INSIDE]
  const most = OUTPUTS_FILE_BYTES_MAX + 1
  const read: Uint8Array[] = []
  const limit = AbortSignal.timeout(READ_MS_MAX)
  try {
    const end = await exec({
      command: [...command, String(most)],
      env: [],
      user,
      workdir: '/',
      signal: AbortSignal.any([signal, limit]),
      onOutput: (stream, bytes) => {
        if (stream === 'out') read.push(Uint8Array.from(bytes))
      }
    })
    if (end.kind === 'exited' && end.code === 0) {
      return { kind: 'read', bytes: Buffer.concat(read).subarray(0, most) }
    }
    const cause = end.kind === 'exited' ? `exit code ${end.code}` : end.cause
    return { kind: 'unreadable', cause }
  } catch (error) {
    signal.throwIfAborted()
    if (!limit.aborted) throw error
    return { kind: 'unreadable', cause: `it took longer than ${READ_MS_MAX} ms` }
  }
}

export interface OutputsParts {
  readonly sandbox: Pick<Sandbox, 'outputs'>
  readonly input: Pick<AttemptInput, 'signal' | 'log'>
  readonly masker: Masker
}

/**
 * The verdict of a job whose steps have all succeeded, with what it hands on. It fails where that
 * cannot be read: what needs it would else begin with values that are missing. A value that holds a
 * secret is left out, and the log says so: whoever gets it has no masker for it.
 */
export async function withOutputs(parts: OutputsParts, verdict: Verdict): Promise<Verdict> {
  const { sandbox, input, masker } = parts
  const file = await sandbox.outputs(input.signal)
  const parsed =
    file.kind === 'read'
      ? parsedOf(file.bytes)
      : ({ kind: 'invalid', problem: `the file cannot be read: ${file.cause}` } as const)
  if (parsed.kind === 'invalid') {
    const message = masker.text(`the outputs cannot be handed on: ${parsed.problem}`)
    input.log(0, 'mesh', message)
    return { ...verdict, state: 'failed', reason: 'outputs_invalid', exitCode: undefined, message }
  }
  const outputs = withoutSecrets(parsed.outputs, parts)
  return Object.keys(outputs).length === 0 ? verdict : { ...verdict, outputs }
}

function parsedOf(bytes: Uint8Array) {
  try {
    return parseOutputs(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // One byte too many may end inside a character.
    const isLarge = bytes.length > OUTPUTS_FILE_BYTES_MAX
    const problem = isLarge ? `the file has more than ${OUTPUTS_FILE_BYTES_MAX} bytes` : 'no UTF-8'
    return { kind: 'invalid', problem } as const
  }
}

function withoutSecrets(outputs: Outputs, { input, masker }: OutputsParts): Outputs {
  const kept = Object.entries(outputs).filter(([name, value]) => {
    if (masker.text(name) === name && masker.text(value) === value) return true
    const what = masker.text(name)
    input.log(0, 'mesh', `output ${what} holds a secret of this job and is not handed on`)
    return false
  })
  return Object.fromEntries(kept)
}
