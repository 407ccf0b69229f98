import { MeshError } from '../../protocol/core/errors.ts'
import { SECRET_BYTES_MAX } from '../../protocol/core/secret-limits.ts'
import type { Input } from '../../protocol/host/input-line.ts'
import { secretValueProblem, withoutLineEnd } from '../../protocol/host/secret-value.ts'

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
  const problem = secretValueProblem(value)
  if (problem === undefined) return value
  value.fill(0)
  throw new MeshError('SECRET_INVALID', { name, problem })
}
