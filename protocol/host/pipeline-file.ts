import { createReadStream } from 'node:fs'
import { causeOf, MeshError } from '../core/errors.ts'
import { PIPELINE_BYTES_MAX } from '../core/limits.ts'
import type { Input } from './input-line.ts'

/**
 * What a pipeline file holds, `-` being standard input. Not more than one byte beyond the limit,
 * for the parser to refuse: a device has no end. Rejects with PIPELINE_UNREADABLE.
 */
export async function pipelineBytes(file: string, stdin: Input | undefined): Promise<Uint8Array> {
  const isStdin = file === '-'
  try {
    return await bytesOf(
      isStdin ? (stdin ?? []) : createReadStream(file, { end: PIPELINE_BYTES_MAX })
    )
  } catch (cause) {
    const named = isStdin ? 'standard input' : file
    throw new MeshError('PIPELINE_UNREADABLE', { file: named, cause: causeOf(cause) }, { cause })
  }
}

async function bytesOf(
  input: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array>
): Promise<Uint8Array> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of input) {
    const bytes = Buffer.from(part)
    parts.push(bytes)
    length += bytes.length
    if (length > PIPELINE_BYTES_MAX) break
  }
  return Buffer.concat(parts).subarray(0, PIPELINE_BYTES_MAX + 1)
}
