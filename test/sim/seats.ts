import type { Member, Role, Roster } from '../../protocol/core/roster.ts'
import type { Timeline } from '../support/timeline.ts'
import type { WorldOptions } from './options.ts'

export interface SeatOptions
  extends Pick<WorldOptions, 'witnesses' | 'spares' | 'agents' | 'gateways' | 'lease' | 'slots'> {
  readonly rogues: number
}

export interface SeatPlan {
  readonly peerId: string
  readonly storeId: string
  readonly roles: ReadonlySet<'agent' | 'gateway' | 'witness'>
  readonly slots: number
}

/** Who is who: some agents are witnesses too, gateways are neither. */
export function rosterOf(
  options: SeatOptions,
  chance: Timeline
): { readonly roster: Roster; readonly plans: readonly SeatPlan[] } {
  const { witnesses, spares, agents, gateways, slots } = options
  const shared = Math.floor(chance.random() * (Math.min(witnesses, agents) + 1))
  const plans: SeatPlan[] = []
  const add = (peerId: string, ...roles: ('agent' | 'gateway' | 'witness')[]): void => {
    plans.push({ peerId, storeId: `store-${peerId}`, roles: new Set(roles), slots })
  }
  for (let index = 1; index <= witnesses; index += 1) {
    if (index <= shared) add(`host${index}`, 'witness', 'agent')
    else add(`witness${index}`, 'witness')
  }
  for (let index = shared + 1; index <= agents; index += 1) add(`agent${index}`, 'agent')
  for (let index = 1; index <= gateways; index += 1) add(`gateway${index}`, 'gateway')
  for (let index = 1; index <= spares; index += 1) add(`spare${index}`, 'witness')
  const members = plans.map(memberOf)
  const rogues = Array.from({ length: options.rogues }, () => rogueMember())
  const roster: Roster = {
    runsFromEpoch: 1,
    version: 1,
    prevHash: '',
    witnessEpoch: 1,
    w: witnesses,
    lease: options.lease,
    authority: 'authority',
    members: [...members, ...rogues],
    revoked: []
  }
  return { roster, plans }
}

function memberOf({ peerId, storeId, roles }: SeatPlan): Member {
  const witness = roles.has('witness') ? { storeId, zone: peerId } : undefined
  return {
    peerId,
    name: peerId,
    roles: [...roles] as Role[],
    addresses: [],
    witness,
    notAfterMs: Number.MAX_SAFE_INTEGER
  }
}

function rogueMember(): Member {
  const rest = { addresses: [], witness: undefined, notAfterMs: Number.MAX_SAFE_INTEGER }
  return { peerId: 'rogue', name: 'rogue', roles: ['agent'], ...rest }
}
