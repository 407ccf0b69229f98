import type { RegisterRequest, RegisterValue } from '../../core/messages.ts'

/** To verify one signature more than that of the op; 110 us, `docs/performance.md`. */
const SIGNATURE_UNITS = 4

/** What a request costs at most, in units of WITNESS_WORK_PER_S_MAX. */
export function unitsOf(request: RegisterRequest): number {
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
      // A synced write, a signature, and at worst a megabyte to open or to fetch.
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
