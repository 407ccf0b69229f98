import type { RegisterRequest, RegisterValue } from '../../core/messages.ts'
import { WITNESS_BYTES_FREE, WITNESS_BYTES_PER_UNIT } from '../../core/witness-limits.ts'

/** To verify one signature more than that of the op; 110 us, `docs/performance.md`. */
const SIGNATURE_UNITS = 4

/** What a request of so many bytes costs, in units of WITNESS_WORK_PER_S_MAX. */
export function unitsOf(request: RegisterRequest, bytes: number): number {
  return unitsOfKind(request) + unitsOfBytes(bytes - WITNESS_BYTES_FREE)
}

/** What bytes cost by themselves: to be copied, hashed, decoded and written. */
export function unitsOfBytes(bytes: number): number {
  return Math.max(0, bytes) / WITNESS_BYTES_PER_UNIT
}

function unitsOfKind(request: RegisterRequest): number {
  switch (request.kind) {
    case 'read':
    case 'seen':
      return 1
    case 'renew':
      return 1 + request.items.length / 4
    case 'prepare':
      // A place in memory and a synced write.
      return 2
    case 'sync':
    case 'announcement':
      return 8
    case 'accept':
      // A synced write and a signature; an announcement comes on top, by its bytes.
      return 4 + SIGNATURE_UNITS * signaturesBesideOp(request.value)
    default:
      return request satisfies never
  }
}

// Those of ended leases and of an adoption: a hostile value has 17, and each is another one.
function signaturesBesideOp(value: RegisterValue): number {
  if (value.kind === 'run') return 0
  const { op, history, lease } = value
  const sigs = [...history.map(({ sig }) => sig), lease?.adoption?.sig ?? '']
  // An end or an adoption that is the op itself is verified once; an expired lease has none.
  return sigs.filter((sig) => sig !== '' && sig !== op.sig).length
}
