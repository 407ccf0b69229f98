import { MASKED_BYTES_MIN, SECRET_BYTES_MAX } from '../core/secret-limits.ts'

const LF = 10
const CR = 13

/** Without the one line end that `echo` and editors put behind it; everything else is kept. */
export function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== LF) return bytes
  return bytes.subarray(0, bytes.at(-2) === CR ? -2 : -1)
}

/** Why a secret must not have this value; undefined for a good one. */
export function secretValueProblem(value: Buffer): string | undefined {
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
