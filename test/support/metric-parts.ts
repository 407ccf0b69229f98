import type { AgentMetricsParts } from '../../agent/metrics/agent-metrics.ts'
import type { DeviceUse } from '../../agent/probe/gpu/use/gpu-use.ts'
import type { GatewayMetricsParts } from '../../gateway/metrics/gateway-metrics.ts'
import { LogStreams } from '../../protocol/api/log-streams.ts'
import type { MemberMetricsParts } from '../../protocol/api/member-metrics.ts'
import { Board } from '../../protocol/core/board.ts'
import { ledgerOf, reserve } from '../../protocol/core/capacity.ts'
import type { Gpu } from '../../protocol/core/gpu.ts'
import { GPU_WHOLE } from '../../protocol/core/gpu-request-limits.ts'
import { runWith } from './claim-bench.ts'
import { advertisement, ROSTER, RUN } from './control-parts.ts'
import { FakeClock } from './fake-clock.ts'

export const GIB = 2 ** 30
export const NVIDIA = 'nvidia:GPU-1'
export const AMD = 'amd:0123456789abcdef-0'

function gpu(id: string, more: Partial<Gpu> = {}): Gpu {
  return {
    id,
    vendor: id.startsWith('amd') ? 'amd' : 'nvidia',
    model: 'NVIDIA "H100"\\80GB',
    pci: '',
    memoryBytes: 80 * GIB,
    sharedMemory: false,
    driver: '550.54',
    architecture: 'sm_90',
    numaNode: undefined,
    parent: undefined,
    health: 'ok',
    reasons: [],
    ...more
  }
}

const GPUS = [gpu(NVIDIA), gpu(AMD, { memoryBytes: undefined, health: 'unhealthy' })]
const USED: DeviceUse = {
  busyPercent: 87,
  memoryBytes: 2 * GIB,
  powerWatts: 431,
  temperature: 53
}
const UNKNOWN: DeviceUse = {
  busyPercent: undefined,
  memoryBytes: undefined,
  powerWatts: undefined,
  temperature: undefined
}

export const EMPTY_LEDGER = ledgerOf({
  cpuMilli: 4_000,
  memoryBytes: 8 * GIB,
  diskBytes: 80 * GIB,
  jobs: 4
})
const ONE = { cpuMilli: 1_500, memoryBytes: 2 * GIB, diskBytes: GIB, pids: 512 }
const { ledger: BUSY } = reserve(EMPTY_LEDGER, 'J.0', ONE, [
  { id: NVIDIA, units: GPU_WHOLE / 2, parent: undefined }
])

/** A member of a mesh of three, with one run of two jobs on its board. */
function memberParts(): MemberMetricsParts {
  const clock = new FakeClock()
  const board = new Board()
  board.addRun(runWith(RUN, 2), clock.wallMs())
  board.foldAdvertisement(advertisement('basalt'), clock.bootMs() - 3_000)
  return {
    version: '0.1.0',
    board,
    clock,
    roster: () => ROSTER,
    links: () => [{}],
    gossipPeers: () => new Map([['agents', 1]]),
    health: () => ({
      witnesses: [{ reachable: true }, { reachable: true }, { reachable: false }],
      hasQuorum: true
    }),
    streams: new LogStreams(),
    disk: { isLow: false },
    onSync: () => undefined
  }
}

/** An agent whose one job has half of one of its two GPUs. */
export function agentMetricsParts(): AgentMetricsParts {
  return {
    ...memberParts(),
    ledger: () => BUSY,
    free: () => ({ cpuMilli: 2_500, memoryBytes: 6 * GIB, diskBytes: 79 * GIB, jobs: 3 }),
    gpus: () => GPUS,
    use: () => ({
      devices: new Map([
        [NVIDIA, USED],
        [AMD, UNKNOWN]
      ]),
      jobs: new Map([['J.0', [{ gpu: NVIDIA, busyPercent: 60, memoryBytes: undefined }]]])
    }),
    useAgeMs: () => 4_200,
    state: () => 'busy',
    heldJobs: () => ['J.0'],
    pending: () => ({ turns: 2, watches: 1 }),
    feeds: () => 1,
    advertisedAgeMs: () => undefined,
    problems: () => []
  }
}

export function gatewayMetricsParts(): GatewayMetricsParts {
  return {
    ...memberParts(),
    intakeQueued: () => 3,
    repositories: () => 2,
    outbox: { open: 5, unsent: 2, oldestMs: 61_000 },
    reconciler: { lag: { overdueMs: 1_500, failing: 1 } }
  }
}
