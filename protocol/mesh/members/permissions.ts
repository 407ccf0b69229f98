import type { RegisterValue } from '../../core/messages.ts'
import { isLanding } from '../../core/move.ts'
import type { Role, Roster } from '../../core/roster.ts'
import type { WitnessSet } from './witness-sets.ts'

type Act = `${RegisterValue['kind']}.${RegisterValue['op']['body']['kind']}`

/** Which roles may want which change; the reducers decide whether it then applies. */
const ROLES: Readonly<Partial<Record<Act, readonly Role[]>>> = {
  'run.create': ['gateway'],
  'job.create': ['agent', 'gateway', 'operator'],
  'job.claim': ['agent'],
  'job.complete': ['agent'],
  'job.release': ['agent'],
  'job.adopt': ['agent'],
  'job.reaffirm': ['agent'],
  'job.cancel': ['agent', 'gateway', 'operator'],
  'run.seal': ['gateway'],
  'job.skip': ['agent', 'gateway', 'operator'],
  'job.move': ['gateway', 'operator', 'agent', 'witness'],
  'job.error': ['agent', 'gateway', 'operator']
}

/**
 * True when the value's actor has a role for its op, in the roster of the register's witness epoch
 * or in the current one. Either counts: a value stays valid after its actor left, or whoever finds
 * it half accepted could never finish it.
 */
export function mayAct(value: RegisterValue, ...rosters: readonly (Roster | undefined)[]): boolean {
  // Whoever moved it may be nowhere any more; where it comes from was asked (MoveProofs).
  if (isLanding(value)) return true
  const allowed = ROLES[`${value.kind}.${value.op.body.kind}`]
  if (allowed === undefined) return false
  return rosters.some((roster) => rolesOf(roster, value.op.actor).some((r) => allowed.includes(r)))
}

/**
 * Why a stop-sign must not be put up: an agent moves the job that it holds, a witness those that it
 * keeps itself, gateways and operators any. Undefined for every other value.
 */
export function moveProblem(
  value: RegisterValue,
  set: WitnessSet,
  current: Roster | undefined
): string | undefined {
  if (value.kind !== 'job' || value.phase !== 'moved') return
  const { actor } = value.op
  if (value.lease?.holder === actor) return
  if (set.witnesses.some(({ peerId }) => peerId === actor)) return
  const roles = [...rolesOf(set.roster, actor), ...rolesOf(current, actor)]
  if (roles.includes('gateway') || roles.includes('operator')) return
  return 'it is moved by neither its holder nor one of its witnesses'
}

/** The roles of a peer in that roster, whether or not its entry has expired since. */
export function rolesOf(roster: Roster | undefined, peerId: string): readonly Role[] {
  return roster?.members.find((member) => member.peerId === peerId)?.roles ?? []
}
