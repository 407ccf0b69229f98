import type { Revocation } from '../admission.ts'
import type { RevokedView } from './contract.ts'

/** Who was thrown out, and what is left. */
export function revokedView({ sealed, gone }: Revocation, pushed: boolean): RevokedView {
  const { version: rosterVersion, witnessEpoch, members } = sealed.roster
  return {
    schema: 'agent.revoked/1',
    revoked: gone.map(({ name, peerId, roles }) => ({ name, peerId, roles: [...roles] })),
    rosterVersion,
    witnessEpoch,
    witnesses: members.flatMap(({ name, witness }) => (witness === undefined ? [] : [name])),
    pushed
  }
}
