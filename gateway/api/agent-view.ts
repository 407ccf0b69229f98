import type { Capacity } from '../../protocol/core/advertisement.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import type { ApiParts } from './parts.ts'
import type { AgentDocument, HealthDocument } from './schemas.ts'

/** Every agent of the roster, heard or not, and by name. */
export function agentDocuments(parts: ApiParts): AgentDocument[] {
  const heard = new Map(
    parts.board
      .agents(parts.clock.bootMs())
      .map((view) => [view.advertisement.peerId, view] as const)
  )
  const members = parts.roster()?.roster.members ?? []
  return members
    .filter(({ roles }) => roles.includes('agent'))
    .map(({ peerId, name }) => agentDocument({ peerId, name }, heard.get(peerId), parts))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function agentDocument(
  member: { readonly peerId: string; readonly name: string },
  view: AgentView | undefined,
  parts: ApiParts
): AgentDocument {
  const link = parts.links().find(({ peerId }) => peerId === member.peerId)
  const ad = view?.advertisement
  return {
    name: member.name,
    peerId: member.peerId,
    // A link without an advertisement: it has just connected, its first word is on the way.
    state: view?.observed ?? (link === undefined ? 'offline' : 'starting'),
    jobsRunning: ad?.jobs.length ?? null,
    platforms: ad?.platforms.map((platform) => ({ ...platform })) ?? [],
    labels: { ...ad?.labels },
    capacity: ad === undefined ? null : capacityView(ad.capacity),
    free: ad === undefined ? null : capacityView(ad.free),
    diskFreeBytes: ad?.diskFreeBytes ?? null,
    engine: ad?.engine ?? null,
    roundTripMs: link?.rttMs ?? null,
    lastSeenMs: view === undefined ? null : parts.clock.bootMs() - view.heardAtMs,
    version: ad?.version ?? null,
    jobs: [...(ad?.jobs ?? [])]
  }
}

function capacityView({ cpuMilli, memoryBytes, jobs }: Capacity) {
  return { cpu: cpuMilli / 1_000, memoryBytes, jobs }
}

/** For load balancers and people, without a token: counts, and names of witnesses that are away. */
export function healthDocument(parts: ApiParts): HealthDocument {
  const { witnesses, w, quorum, reachable, hasQuorum } = parts.health()
  const away = witnesses.filter(({ reachable }) => !reachable).map(({ name }) => name)
  const problems: string[] = []
  const roster = parts.roster()
  if (roster === undefined) {
    problems.push(`no roster yet: run \`agent admit\` on the authority's host for ${parts.peerId}`)
  }
  if (witnesses.length > 0 && w === 1) {
    problems.push('with fewer than 3 witnesses each run depends on one machine: admit more')
  }
  if (away.length > 0) problems.push(`not reachable: ${away.join(', ')}: start them`)
  return {
    status: statusOf(parts, hasQuorum),
    peerId: parts.peerId,
    version: parts.version,
    witnesses: { total: witnesses.length, perRun: w, quorum, reachable },
    intakeQueued: parts.intakeQueued(),
    problems
  }
}

function statusOf(parts: ApiParts, hasQuorum: boolean): HealthDocument['status'] {
  if (parts.stopping()) return 'stopping'
  if (parts.roster() === undefined) return 'no_roster'
  return hasQuorum ? 'ok' : 'no_quorum'
}
