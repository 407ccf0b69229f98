import { MeshError } from '../../core/errors.ts'
import type { InviteRole, Joiner } from '../../core/invite.ts'
import type { JoinRefusal } from '../../wire/join-codec.ts'

export interface RefusedJoin {
  readonly inviter: string
  readonly name: string
  readonly joiner: Joiner
  readonly roles: readonly InviteRole[]
  readonly expiresMs: number
  readonly nowMs: number
}

/** What an inviter's refusal is to the person who joins, with the way out. */
export function joinRefusal(reason: JoinRefusal, join: RefusedJoin): MeshError {
  const { inviter, name } = join
  const because = (problem: string) => new MeshError('JOIN_REFUSED', { inviter, problem })
  switch (reason) {
    case 'unknown':
      return new MeshError('INVITE_UNKNOWN', { inviter })
    case 'used':
      return new MeshError('INVITE_USED', { inviter })
    case 'forged':
      return new MeshError('INVITE_FORGED', { inviter })
    case 'expired':
      return inviteExpired(join)
    case 'other_role':
      return otherRole(join)
    case 'name_taken':
      return new MeshError('NAME_TAKEN', { name })
    case 'address_absent':
      return because('it sees no address that others could use: give one with --address')
    default:
      return because('name, addresses or an earlier revocation stand against it: see its log')
  }
}

export function inviteExpired(join: Pick<RefusedJoin, 'expiresMs' | 'nowMs'>): MeshError {
  const [until, now] = [join.expiresMs, join.nowMs].map((ms) => new Date(ms).toISOString())
  return new MeshError('INVITE_EXPIRED', { until, now })
}

export function otherRole(join: Pick<RefusedJoin, 'joiner' | 'roles'>): MeshError {
  const { joiner, roles } = join
  const other = joiner === 'agent' ? 'gateway' : 'agent'
  const fix = `run \`${other} join\` here, or invite with \`--role ${joiner}\``
  return new MeshError('INVITE_ROLE_OTHER', { roles: roles.join(', '), wanted: joiner, fix })
}
