import { agentSighting } from '../../protocol/api/agent-sighting.ts'
import { epochLines } from '../../protocol/api/epoch-lines.ts'
import { publicEquivocationLines } from '../../protocol/api/member-lines.ts'
import { witnessCounts } from '../../protocol/api/witness-counts.ts'
import { witnessLines } from '../../protocol/api/witness-lines.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { ApiParts } from './parts.ts'
import type { AgentDocument, HealthDocument } from './schemas.ts'

/** Every agent of the roster, heard or not, and by name. */
export function agentDocuments(parts: ApiParts): AgentDocument[] {
  const bootMs = parts.clock.bootMs()
  const links = parts.links()
  const members = parts.roster()?.roster.members ?? []
  return members
    .filter(({ roles }) => roles.includes('agent'))
    .map(({ peerId, name }) => {
      const link = links.find((each) => each.peerId === peerId)
      return { name, peerId, ...agentSighting(parts.board.agent(peerId, bootMs), link, bootMs) }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** One of them, by its name or peer id. Throws AGENT_UNKNOWN. */
export function agentDocument(parts: ApiParts, text: string): AgentDocument {
  const all = agentDocuments(parts)
  const found = all.find(({ name }) => name === text) ?? all.find(({ peerId }) => peerId === text)
  if (found === undefined) throw new MeshError('AGENT_UNKNOWN', { name: text })
  return found
}

/** For load balancers and people, without a token: counts, and names of witnesses that are away. */
export function healthDocument(parts: ApiParts): HealthDocument {
  const health = parts.health()
  const lines = [
    ...witnessLines(health),
    ...epochLines(parts.epochs()),
    ...publicEquivocationLines(parts.equivocations())
  ]
  const problems = lines.map(({ message, fix }) => `${message}: ${fix}`)
  if (parts.roster() === undefined) {
    problems.push(`no roster yet: run \`agent admit\` on the authority's host for ${parts.peerId}`)
  }
  return {
    status: statusOf(parts, health.hasQuorum),
    peerId: parts.peerId,
    version: parts.version,
    witnesses: witnessCounts(health),
    intakeQueued: parts.intakeQueued(),
    problems
  }
}

function statusOf(parts: ApiParts, hasQuorum: boolean): HealthDocument['status'] {
  if (parts.stopping()) return 'stopping'
  if (parts.roster() === undefined) return 'no_roster'
  return hasQuorum ? 'ok' : 'no_quorum'
}
