import type { Roster } from '../../protocol/core/roster.ts'
import type { ReseatedView } from './contract.ts'

/** What came of taking seats, or of giving a witness epoch up. */
export function reseatedView(roster: Roster, pushed: boolean): ReseatedView {
  const { version: rosterVersion, witnessEpoch, members, lostEpochs = [] } = roster
  const witnesses = members.flatMap(({ name, witness }) => (witness === undefined ? [] : [name]))
  const lost = [...lostEpochs]
  return {
    schema: 'agent.reseated/1',
    rosterVersion,
    witnessEpoch,
    witnesses,
    lostEpochs: lost,
    pushed
  }
}
