import { agentSighting } from '../../protocol/api/agent-sighting.ts'
import { epochLines } from '../../protocol/api/epoch-lines.ts'
import { witnessCounts } from '../../protocol/api/witness-counts.ts'
import { witnessLines } from '../../protocol/api/witness-lines.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import { seenPhase } from '../../protocol/core/job-filter.ts'
import type { Member } from '../../protocol/core/roster.ts'
import type { HealthLine, PeerView, StatusView } from './contract.ts'
import { gpuUseView } from './gpu-use-view.ts'
import type { ControlParts } from './parts.ts'

/** Wall clocks further apart than this are worth a line; leases use none of them. */
const CLOCK_SKEW_MS_SHOWN = 1_500

/** An advertisement older than this says too little about its sender's clock. */
const CLOCK_SAMPLE_MS_MAX = 5_000

/** A membership that ends this soon is said: nobody lets its host in after that. */
const ENDING_MS_SHOWN = 30 * 86_400_000
const DAY_MS = 86_400_000
/** Members of a mesh that was made in a day end in a day: a line must not hold them all. */
const NAMES_SHOWN = 5

/** This process reaches itself, and has no round trip to measure. */
const SELF_LINK = { rttMs: undefined }

export function statusView(parts: ControlParts): StatusView {
  const members = parts.roster()?.roster.members ?? []
  const peers = members.map((member) => peerView(member, parts))
  return {
    schema: 'agent.status/1',
    at: new Date(parts.clock.wallMs()).toISOString(),
    self: { name: parts.name, peerId: parts.peerId, version: parts.version },
    health: healthLines(parts),
    peers: peers.sort(selfFirst),
    jobs: jobCounts(parts),
    witnesses: witnessCounts(parts.health()),
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

function peerView(member: Member, parts: ControlParts): PeerView {
  const { peerId } = member
  const self = peerId === parts.peerId
  const link = self ? SELF_LINK : parts.links().find((each) => each.peerId === peerId)
  const bootMs = parts.clock.bootMs()
  const seen = agentSighting(parts.board.agent(peerId, bootMs), link, bootMs)
  const peer = {
    name: member.name,
    peerId,
    self,
    roles: [...member.roles],
    ...seen,
    gpuUse: self ? gpuUseView(parts.gpuUse()) : [],
    lastSeenMs: self ? 0 : seen.lastSeenMs,
    version: seen.version ?? (self ? parts.version : null),
    addresses: [...member.addresses]
  }
  if (member.roles.includes('agent')) return peer
  // Only agents advertise: of others the connection is the one sign of life, watched by pings.
  return link === undefined ? peer : { ...peer, state: 'up', lastSeenMs: 0 }
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

function healthLines(parts: ControlParts): HealthLine[] {
  return [
    ...rosterLines(parts),
    ...witnessLines(parts.health()),
    ...epochLines(parts.epochs()),
    ...parts.problems().map((problem) => ({ ...problem })),
    ...endingLines(parts),
    ...clockLines(parts)
  ]
}

function rosterLines(parts: ControlParts): HealthLine[] {
  if (parts.roster() !== undefined) return []
  const fix =
    'run `agent invite` on a host of the mesh and `agent join` here, or `agent admit` with this id there'
  return [{ code: 'ROSTER_ABSENT', message: 'this agent is in no roster yet', fix }]
}

function endingLines({ roster, clock }: ControlParts): HealthLine[] {
  const leftMs = ({ notAfterMs }: Member): number => notAfterMs - clock.wallMs()
  const members = roster()?.roster.members ?? []
  const ending = members.filter((member) => leftMs(member) < ENDING_MS_SHOWN)
  if (ending.length === 0) return []
  const names = ending.slice(0, NAMES_SHOWN).map(({ name }) => name)
  const more = ending.length > names.length ? ` and ${ending.length - names.length} more` : ''
  const days = Math.ceil(Math.min(...ending.map(leftMs)) / DAY_MS)
  const when = days > 0 ? `in ${days} day${days === 1 ? '' : 's'}` : 'has ended'
  return [
    {
      code: 'MEMBERSHIP_ENDS',
      message: `membership of ${names.join(', ')}${more} ends, the first ${when}`,
      fix: "where the authority's key is, run `agent admit` for each again, with all that it is now"
    }
  ]
}

function clockLines(parts: ControlParts): HealthLine[] {
  const bootMs = parts.clock.bootMs()
  return parts.board.agents(bootMs).flatMap((view) => {
    const silentMs = bootMs - view.heardAtMs
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
