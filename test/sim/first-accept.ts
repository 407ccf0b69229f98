import type { AcceptRequest } from '../../protocol/core/acceptor.ts'
import type { RejectCode } from '../../protocol/core/messages.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import type { SimMoveProofs } from './move-proofs.ts'
import type { SimProcess } from './process.ts'
import type { SimRosters } from './rosters.ts'
import type { Shelf } from './shelf.ts'

interface FirstAcceptParts {
  readonly process: SimProcess
  readonly shelf: Shelf
  readonly rosters: SimRosters
  readonly proofs: SimMoveProofs
}

type Done = (code: RejectCode | undefined) => void

/** Why a first value has no place here: its announcement is asked of `peers` where it must be. */
export function admitFirst(
  parts: FirstAcceptParts,
  request: AcceptRequest,
  peers: readonly string[],
  done: Done
): void {
  const { shelf, process } = parts
  const { boot } = process
  shelf.fetch(request.value.annHash, peers, (sealed) => {
    process.run(boot, () => {
      if (sealed === undefined) done('announcement_missing')
      else admitAnnounced(parts, request, sealed, done)
    })
  })
}

/** Of its announcement; or come here by a stop-sign that is chosen. */
function admitAnnounced(
  { rosters, shelf, proofs, process }: FirstAcceptParts,
  { value, scope }: AcceptRequest,
  { announcement }: SealedAnnouncement,
  done: Done
): void {
  const roster = rosters.at(scope.witnessEpoch)
  if (roster === undefined || shelf.problem(value, roster) !== undefined) {
    done('invalid')
    return
  }
  if (announcement.witnessEpoch === scope.witnessEpoch) {
    done(undefined)
    return
  }
  const { boot } = process
  proofs.problem(scope, value, announcement.witnessEpoch, (code) => {
    process.run(boot, () => done(code))
  })
}
