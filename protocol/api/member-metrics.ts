import type { ObservedState } from '../core/agent-state.ts'
import { LOG_STREAMS_MAX } from '../core/follow-limits.ts'
import { type SeenPhase, seenPhase } from '../core/job-filter.ts'
import { BOARD_RUNS_MAX } from '../core/limits.ts'
import type { RunStatus } from '../core/run-state.ts'
import type { LogStreams } from './log-streams.ts'
import { counted, type Metrics } from './metrics.ts'
import type { Sources } from './sources.ts'

/** Of a membership, as both programs have it. */
export interface MemberMetricsParts extends Pick<Sources, 'board' | 'clock' | 'roster'> {
  readonly version: string
  links(): readonly unknown[]
  /** By topic, how many connected peers listen to it; none where gossip is off. */
  gossipPeers(): ReadonlyMap<string, number>
  health(): {
    readonly witnesses: readonly { readonly reachable: boolean }[]
    readonly hasQuorum: boolean
  }
  readonly streams: Pick<LogStreams, 'size'>
  readonly disk: { readonly isLow: boolean }
  /** Calls with the milliseconds of each sync of the store from now on. */
  onSync(listener: (ms: number) => void): void
}

/** What waits in one of its queues, and how much may. */
export interface QueueMetric {
  readonly queue: string
  readonly length: () => number
  readonly max: number
}

/** From a disk that keeps its writes in a cache of its own to one that is about to fail. */
const SYNC_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const AGENT_STATES: readonly ObservedState[] = [
  ...(['starting', 'idle', 'busy', 'paused', 'draining', 'suspect', 'offline'] as const)
]
const OPEN_PHASES: readonly SeenPhase[] = ['queued', 'leased', 'running']
const RUN_STATES: readonly RunStatus[] = [
  ...(['queued', 'running', 'succeeded', 'failed', 'errored', 'cancelled'] as const)
]

/** What each member knows of itself and of the mesh. */
export function memberMetrics(
  metrics: Metrics,
  parts: MemberMetricsParts,
  queues: readonly QueueMetric[]
): void {
  const { roster, links, health, disk } = parts
  const build = { version: parts.version, node: process.versions.node }
  metrics.gauge(
    { name: 'build_info', help: 'Version of this program.', labels: ['version', 'node'] },
    () => [{ labels: build, value: 1 }]
  )
  metrics.value('roster_version', 'Version of the roster in use.', () => roster()?.roster.version)
  metrics.value('members', 'Members of the roster.', () => roster()?.roster.members.length)
  metrics.value('peers_connected', 'Members that a connection exists to.', () => links().length)
  metrics.gauge(
    { name: 'gossip_peers', help: 'Connected peers that listen to a topic.', labels: ['topic'] },
    () => [...parts.gossipPeers()].map(([topic, value]) => ({ labels: { topic }, value }))
  )
  metrics.value('witnesses', 'Witnesses of the roster.', () => known(health().witnesses.length))
  metrics.value('witnesses_reachable', 'Witnesses in reach, this process among them.', () => {
    const { witnesses } = health()
    return known(witnesses.length, witnesses.filter(({ reachable }) => reachable).length)
  })
  metrics.value('quorum_available', '1 where every run has a quorum of its witnesses.', () =>
    known(health().witnesses.length, health().hasQuorum ? 1 : 0)
  )
  metrics.value('disk_low', '1 while nothing new is begun for want of disk.', () =>
    disk.isLow ? 1 : 0
  )
  const sync = metrics.histogram(
    { name: 'store_sync_seconds', help: 'Time of each sync of the store to its disk.' },
    SYNC_SECONDS
  )
  parts.onSync((ms) => sync(ms / 1_000))
  boardMetrics(metrics, parts)
  queueMetrics(metrics, [
    { queue: 'board_runs', length: () => parts.board.size, max: BOARD_RUNS_MAX },
    { queue: 'log_streams', length: () => parts.streams.size, max: LOG_STREAMS_MAX },
    ...queues
  ])
}

function boardMetrics(metrics: Metrics, { board, clock }: MemberMetricsParts): void {
  metrics.gauge(
    { name: 'agents', help: 'Agents by state, as seen from here.', labels: ['state'] },
    () => {
      const seen = board.agents(clock.bootMs()).map(({ observed }) => observed)
      return counted('state', AGENT_STATES, seen)
    }
  )
  metrics.gauge(
    { name: 'jobs_open', help: 'Jobs that have not ended, by state.', labels: ['state'] },
    () => counted('state', OPEN_PHASES, board.openJobs().map(seenPhase))
  )
  metrics.gauge(
    { name: 'runs', help: 'Runs that are kept on the board, by state.', labels: ['state'] },
    () => {
      const states = board.runs().flatMap(({ sealed }) => {
        return board.runStatus(sealed.announcement.runId) ?? []
      })
      return counted('state', RUN_STATES, states)
    }
  )
}

function queueMetrics(metrics: Metrics, queues: readonly QueueMetric[]): void {
  metrics.gauge(
    { name: 'queue_length', help: 'What is in a list that has a limit.', labels: ['queue'] },
    () => queues.map(({ queue, length }) => ({ labels: { queue }, value: length() }))
  )
  metrics.gauge({ name: 'queue_limit', help: 'That limit.', labels: ['queue'] }, () =>
    queues.map(({ queue, max }) => ({ labels: { queue }, value: max }))
  )
}

/** Without a roster there is nobody to count. */
function known(witnesses: number, value = witnesses): number | undefined {
  return witnesses === 0 ? undefined : value
}
