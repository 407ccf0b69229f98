import { randomBytes } from 'node:crypto'
import type { Random } from '../core/ports.ts'

const UINT32_RANGE = 4_294_967_296

/** Randomness of the operating system: claim ids and boot nonces must not be guessable. */
export function systemRandom(): Random {
  return {
    next: () => randomBytes(4).readUInt32BE(0) / UINT32_RANGE,
    id: (bytes) => randomBytes(bytes).toString('hex')
  }
}
