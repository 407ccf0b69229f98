import { MeshError } from '../../protocol/core/errors.ts'
import { MASKED_BYTES_MIN, SECRET_BYTES_MAX } from '../../protocol/core/secret-limits.ts'
import type { Input } from '../../protocol/host/input-line.ts'

const LF = 10
const CR = 13

/**
 * The value of a secret from standard input, without the one line end that `echo` and editors put
 * behind it; everything else is kept. Throws SECRET_INVALID, and USAGE where a person would type:
 * what is typed is seen.
 */
export async function readSecretValue(input: Input | undefined, name: string): Promise<Buffer> {
  if (input === undefined || input.isTTY === true) {
    throw new MeshError('USAGE', {
      problem: `the value comes from standard input: \`gateway secret set ${name} ... < FILE\``
    })
  }
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of input) {
    const read = Buffer.from(part)
    parts.push(read)
    bytes += read.length
    // With its line end one byte or two more.
    if (bytes > SECRET_BYTES_MAX + 2) break
  }
  const value = withoutLineEnd(Buffer.concat(parts))
  for (const part of parts) part.fill(0)
  const problem = problemOf(value)
  if (problem === undefined) return value
  value.fill(0)
  throw new MeshError('SECRET_INVALID', { name, problem })
}

function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== LF) return bytes
  return bytes.subarray(0, bytes.at(-2) === CR ? -2 : -1)
}

function problemOf(value: Buffer): string | undefined {
  if (value.length > SECRET_BYTES_MAX) {
    return `it has more than ${SECRET_BYTES_MAX} bytes: keep it elsewhere, and a key to it here`
  }
  if (value.includes(0)) return 'it has a NUL byte: set it as base64, and decode it in the job'
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(value)
  } catch {
    return 'it is not UTF-8: set it as base64, and decode it in the job'
  }
  const bare = Buffer.byteLength(value.toString('utf8').trim())
  if (bare < MASKED_BYTES_MIN) {
    return `it has ${bare} bytes without white space, fewer than ${MASKED_BYTES_MIN} cannot be masked in logs`
  }
  return undefined
}
