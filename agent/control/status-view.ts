import type { Advertisement, Capacity } from '../../protocol/core/advertisement.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import { seenPhase } from '../../protocol/core/job-filter.ts'
import type { AgentView } from '../../protocol/core/observation.ts'
import type { Member } from '../../protocol/core/roster.ts'
import type { HealthLine, PeerView, StatusView } from './contract.ts'
import { agentViews } from './job-view.ts'
import type { ControlParts } from './parts.ts'

/** Wall clocks further apart than this are worth a line; leases use none of them. */
const CLOCK_SKEW_MS_SHOWN = 1_500

/** An advertisement older than this says too little about its sender's clock. */
const CLOCK_SAMPLE_MS_MAX = 5_000

export function statusView(parts: ControlParts): StatusView {
  const views = new Map(agentViews(parts).map((view) => [view.advertisement.peerId, view]))
  const members = parts.roster()?.roster.members ?? []
  const peers = members.map((member) => peerView(member, views.get(member.peerId), parts))
  const { witnesses, w, quorum } = parts.health()
  return {
    schema: 'agent.status/1',
    at: new Date(parts.clock.wallMs()).toISOString(),
    self: { name: parts.name, peerId: parts.peerId, version: parts.version },
    health: healthLines(parts, [...views.values()]),
    peers: peers.sort(selfFirst),
    jobs: jobCounts(parts),
    witnesses: {
      total: witnesses.length,
      perRun: w,
      quorum,
      reachable: witnesses.filter((witness) => witness.reachable).length
    },
    roster: {
      version: parts.roster()?.roster.version ?? 0,
      witnessEpoch: parts.roster()?.roster.witnessEpoch ?? 0,
      authority: parts.roster()?.roster.authority ?? ''
    }
  }
}

function selfFirst(a: PeerView, b: PeerView): number {
  if (a.self !== b.self) return a.self ? -1 : 1
  return a.name < b.name ? -1 : 1
}

function peerView(member: Member, view: AgentView | undefined, parts: ControlParts): PeerView {
  const self = member.peerId === parts.peerId
  const link = parts.links().find(({ peerId }) => peerId === member.peerId)
  const ad = view?.advertisement
  const silentMs = view === undefined ? undefined : parts.clock.bootMs() - view.heardAtMs
  return {
    name: member.name,
    peerId: member.peerId,
    self,
    roles: [...member.roles],
    state: view?.observed ?? (self || link !== undefined ? 'up' : 'offline'),
    ...offerView(ad),
    roundTripMs: link?.rttMs ?? null,
    // A living connection is a sign of life too: the link is watched by pings.
    lastSeenMs: self ? 0 : (silentMs ?? (link === undefined ? null : 0)),
    version: ad?.version ?? (self ? parts.version : null),
    addresses: [...member.addresses]
  }
}

type OfferView = Pick<
  PeerView,
  'jobs' | 'jobsRunning' | 'platforms' | 'labels' | 'capacity' | 'free' | 'diskFreeBytes' | 'engine'
>

/** What an agent advertises; a gateway advertises nothing. */
function offerView(ad: Advertisement | undefined): OfferView {
  return {
    jobs: [...(ad?.jobs ?? [])],
    jobsRunning: ad?.jobs.length ?? null,
    platforms: ad?.platforms.map((platform) => ({ ...platform })) ?? [],
    labels: { ...ad?.labels },
    capacity: ad === undefined ? null : capacityView(ad.capacity),
    free: ad === undefined ? null : capacityView(ad.free),
    diskFreeBytes: ad?.diskFreeBytes ?? null,
    engine: ad?.engine ?? null
  }
}

function capacityView(capacity: Capacity): NonNullable<PeerView['capacity']> {
  const { cpuMilli, memoryBytes, jobs } = capacity
  return { cpu: cpuMilli / 1_000, memoryBytes, jobs }
}

function jobCounts(parts: ControlParts): StatusView['jobs'] {
  const counts = { queued: 0, running: 0, ended: 0 }
  for (const job of parts.board.jobs()) {
    const phase = seenPhase(job)
    if (phase === 'queued') counts.queued += 1
    else if (phase === 'leased' || phase === 'running') counts.running += 1
    else if (isTerminal(phase)) counts.ended += 1
  }
  return counts
}

function healthLines(parts: ControlParts, views: readonly AgentView[]): HealthLine[] {
  return [
    ...rosterLines(parts),
    ...witnessLines(parts),
    ...parts.problems().map((problem) => ({ ...problem })),
    ...clockLines(parts, views)
  ]
}

function rosterLines(parts: ControlParts): HealthLine[] {
  if (parts.roster() !== undefined) return []
  const fix = 'run `agent admit ID ...` on the host of the authority, with the id of `agent id`'
  return [{ code: 'ROSTER_ABSENT', message: 'this agent is in no roster yet', fix }]
}

function witnessLines(parts: ControlParts): HealthLine[] {
  const { witnesses, w, quorum } = parts.health()
  const lines: HealthLine[] = []
  const reachable = witnesses.filter((witness) => witness.reachable).length
  const away = witnesses.filter((witness) => !witness.reachable).map(({ name }) => name)
  if (witnesses.length > 0 && w === 1) {
    const message = 'with fewer than 3 witnesses each run depends on one machine'
    const fix = 'admit long-lived members with --witness until there are 3 or 5'
    lines.push({ code: 'WITNESSES_FEW', message, fix })
  }
  if (reachable < quorum) {
    const message = `${reachable} of ${witnesses.length} witnesses are reachable: no job can be claimed`
    lines.push({ code: 'QUORUM_UNREACHABLE', message, fix: `start ${away.join(', ')}` })
  } else if (away.length > 0) {
    const message = `witness ${away.join(', ')} is not reachable; all goes on without it`
    lines.push({ code: 'WITNESS_AWAY', message, fix: `start ${away.join(', ')}` })
  }
  return lines
}

function clockLines(parts: ControlParts, views: readonly AgentView[]): HealthLine[] {
  return views.flatMap((view) => {
    const silentMs = parts.clock.bootMs() - view.heardAtMs
    if (silentMs > CLOCK_SAMPLE_MS_MAX) return []
    const aheadMs = view.advertisement.sentAtMs + silentMs - parts.clock.wallMs()
    if (Math.abs(aheadMs) < CLOCK_SKEW_MS_SHOWN) return []
    const { name } = view.advertisement
    const by = `${(Math.abs(aheadMs) / 1_000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`
    const message =
      `clock: ${name} is ${by} this host ` +
      '(webhook time checks tolerate 5 min; leases use no wall clock)'
    const fix = `start chrony or systemd-timesyncd on ${name}`
    return [{ code: 'CLOCK_SKEW', message, fix }]
  })
}
