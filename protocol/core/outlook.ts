import type { Platform } from './advertisement.ts'
import type { BoardJob } from './board-job.ts'
import { diskOf } from './capacity.ts'
import { footprintOf } from './footprint.ts'
import { formatIsolation } from './isolation.ts'
import { isBehind } from './kept-room.ts'
import { abilitiesFor } from './network.ts'
import { type AgentView, takesJobs } from './observation.ts'
import { EMULATED_TIMEOUT_FACTOR } from './platform-limits.ts'
import { deferredUntilMs } from './preference.ts'
import { formatBytes, formatCpu } from './quantities.ts'
import { remedyFor } from './remedy.ts'
import { fits, lacksRoom, POLICY, platformFor, type Unmet, type Wanted } from './requirements.ts'

/** One thing that a job needs of a host, for people. */
export interface Requirement {
  /** As in `Unmet`; besides `takes jobs`, `preferred` and `kept room`, which change with time. */
  readonly requirement: string
  readonly wanted: string
  readonly offered: string
  readonly met: boolean
  /** True where it is met, or will be without anybody's doing. */
  readonly resolves: boolean
  /** What would meet it; '' where nobody has to do anything. */
  readonly fix: string
}

/** Whether one known host could take the job, each thing that it needs told apart. */
export interface HostOutlook {
  readonly peerId: string
  readonly name: string
  readonly observed: AgentView['observed']
  /** It may claim the job now, as far as is known. */
  readonly takes: boolean
  /** It will be able to without anybody's doing. */
  readonly resolves: boolean
  readonly requirements: readonly Requirement[]
}

export interface OutlookParts {
  readonly agents: readonly AgentView[]
  readonly nowMs: number
  /** Ids of the jobs that agents keep their room for, by peer id. */
  readonly kept: ReadonlyMap<string, BoardJob>
}

/** Every known host, those that come closest first. */
export function outlooksOf(job: BoardJob, parts: OutlookParts): readonly HostOutlook[] {
  const outlooks = parts.agents.map((view) => outlookOf(job, view, parts))
  const missing = ({ requirements }: HostOutlook): number =>
    requirements.filter(({ resolves }) => !resolves).length
  return outlooks.toSorted(
    (a, b) =>
      Number(b.takes) - Number(a.takes) ||
      Number(b.resolves) - Number(a.resolves) ||
      missing(a) - missing(b) ||
      (a.name < b.name ? -1 : 1)
  )
}

function outlookOf(job: BoardJob, view: AgentView, parts: OutlookParts): HostOutlook {
  const { advertisement, observed } = view
  const { peerId, name } = advertisement
  const requirements = [
    ...lastingOf(job, view),
    takingOf(view),
    ...roomOf(job, view),
    ...turnOf(job, view, parts)
  ]
  return {
    peerId,
    name,
    observed,
    takes: requirements.every(({ met }) => met),
    resolves: requirements.every(({ resolves }) => resolves),
    requirements
  }
}

/** What no time changes: the host can run the job, or somebody has to change one of them. */
function lastingOf(job: Wanted, { advertisement }: AgentView): readonly Requirement[] {
  const unmet = fits(job, advertisement)
  const names = new Set(unmet.map(({ requirement }) => requirement))
  const lacksGpu = unmet.some(({ requirement }) => requirement.startsWith('gpu'))
  const met = wishesOf(job, advertisement).filter(({ requirement }) => {
    return !names.has(requirement) && !(lacksGpu && requirement === 'gpu')
  })
  return [
    ...unmet.map((one): Requirement => {
      return { ...one, met: false, resolves: false, fix: remedyFor(one, job, advertisement) }
    }),
    ...met.map(metBy)
  ]
}

function metBy(one: Unmet): Requirement {
  return { ...one, met: true, resolves: true, fix: '' }
}

/** All that the job asks of any host, with what this one has for it. */
function wishesOf(job: Wanted, ad: AgentView['advertisement']): readonly Unmet[] {
  const { spec } = job
  const { cpuMilli, memoryBytes } = footprintOf(spec)
  const { capacity } = ad
  const abilities = abilitiesFor(spec.network)
  const disk = formatBytes(diskOf(spec.resources, capacity))
  return [
    wish('platform', spec.platform ?? 'any native', platformHere(spec, ad.platforms)),
    wish('cpu', formatCpu(cpuMilli), formatCpu(capacity.cpuMilli)),
    wish('memory', formatBytes(memoryBytes), formatBytes(capacity.memoryBytes)),
    wish('disk', disk, formatBytes(capacity.diskBytes)),
    ...Object.entries(spec.labels).map(([key, value]) => wish(`label ${key}`, value, value)),
    ...(spec.isolation === undefined
      ? []
      : [wish('isolation', spec.isolation, formatIsolation(ad.isolation))]),
    ...(abilities.length === 0
      ? []
      : [wish('enforced network', abilities.join(', '), ad.networks.join(', '))]),
    ...(spec.builder === true ? [wish('builder', 'images built in a user namespace', 'yes')] : []),
    ...gpuWish(spec, ad),
    ...(ad.policy === undefined ? [] : [wish(POLICY, job.origin.repository, 'taken by its owner')])
  ]
}

/** What the job would run on here, and how much more time it has where that is no processor. */
function platformHere(spec: Wanted['spec'], platforms: readonly Platform[]): string {
  const found = platformFor(spec, platforms)
  if (found === undefined) return 'none'
  const { name, native } = found
  return native ? name : `${name} (emulated, ${EMULATED_TIMEOUT_FACTOR} times the time)`
}

/** In one row: what of a request is not met is told apart, and then this row is not. */
function gpuWish({ gpu }: Wanted['spec'], ad: AgentView['advertisement']): readonly Unmet[] {
  if (gpu === undefined) return []
  const models = [...new Set((ad.gpus ?? []).map(({ model }) => model))]
  return [wish('gpu', String(gpu.count), models.join(', '))]
}

function wish(requirement: string, wanted: string, offered: string): Unmet {
  return { requirement, wanted, offered }
}

/** Who drained, paused or stopped a host must undo it; the rest passes. */
function takingOf(view: AgentView): Requirement {
  const { observed, advertisement } = view
  const { closing, name } = advertisement
  const isUp = observed === 'idle' || observed === 'busy'
  const offered = isUp && closing !== undefined ? `closed (${closing.text})` : observed
  const met = takesJobs(view)
  const resolves = isUp || observed === 'starting' || observed === 'suspect'
  const fixes: Partial<Record<AgentView['observed'], string>> = {
    paused: `\`agent resume\` on ${name}`,
    draining: `\`agent resume\` on ${name}, or start it again`,
    offline: `start the agent on ${name}, or see why it cannot be heard`
  }
  const fix = resolves ? '' : (fixes[observed] ?? '')
  return { requirement: 'takes jobs', wanted: 'yes', offered, met, resolves, fix }
}

/** What other jobs have of it now and will give back; more than all of it is told above. */
function roomOf(job: Wanted, { advertisement }: AgentView): readonly Requirement[] {
  return lacksRoom(job, advertisement).map((one): Requirement => {
    return { ...one, met: false, resolves: true, fix: '' }
  })
}

/** What others have before it, or what it leaves to others. */
function turnOf(
  job: BoardJob,
  { advertisement }: AgentView,
  { agents, nowMs, kept }: OutlookParts
): readonly Requirement[] {
  const rows: Requirement[] = []
  const untilMs = deferredUntilMs(job, advertisement, agents, { issuedAtMs: job.issuedAtMs, nowMs })
  if (untilMs !== undefined) {
    const offered = `leaves it to others for ${Math.ceil((untilMs - nowMs) / 1_000)} s`
    rows.push(passing('preferred', 'a host that suits it best', offered))
  }
  const before = kept.get(advertisement.peerId)
  if (before !== undefined && isBehind(job, before)) {
    rows.push(passing('kept room', 'room for it', `keeps its room for ${before.spec.name}`))
  }
  return rows
}

function passing(requirement: string, wanted: string, offered: string): Requirement {
  return { requirement, wanted, offered, met: false, resolves: true, fix: '' }
}
