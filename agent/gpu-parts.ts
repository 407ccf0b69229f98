import type { Clock } from '../protocol/core/ports.ts'
import type { Log } from '../protocol/host/log.ts'
import type { Engine } from './execute/engine.ts'
import { hostNode } from './execute/gpu/device-node.ts'
import { GpuPassage } from './execute/gpu/gpu-passage.ts'
import { GpuRest } from './execute/gpu/gpu-rest.ts'
import { GpuTenants } from './execute/gpu/gpu-tenants.ts'
import { JobGpus } from './execute/gpu/job-gpus.ts'
import { PassableGpus } from './execute/gpu/passable-gpus.ts'
import { GpuWatch, type GpuWatchParts } from './probe/gpu/gpu-watch.ts'
import { HostGpus } from './probe/gpu/host-gpus.ts'
import { type RunTool, toolRunner } from './probe/gpu/tools.ts'
import { GpuSampler } from './probe/gpu/use/gpu-sampler.ts'
import { HostGpuUse } from './probe/gpu/use/host-gpu-use.ts'

/** All that an agent knows of its host's GPUs, and does with them. */
export interface AgentGpus {
  readonly gpus: GpuWatch
  readonly sampler: GpuSampler
  readonly jobGpus: JobGpus
  readonly start: () => void
  /** Nobody waits for it. */
  readonly stop: () => void
}

export interface AgentGpusParts {
  readonly engine: Engine
  readonly peerId: string
  readonly clock: Clock
  readonly log: Log
  /** More of what a watch goes by. */
  readonly watch: Omit<GpuWatchParts, 'host' | 'clock' | 'log'>
  /** In place of the GPUs that this machine has. */
  readonly place?: GpuPlace | undefined
}

/** GPUs that are files, and the tools that know them. */
export interface GpuPlace {
  /** Where `/proc`, `/sys` and `/dev` of a host with GPUs are; processes are this machine's. */
  readonly root: string
  /** Folders of the vendors' tools. */
  readonly tools: readonly string[]
  readonly useEveryMs: number
}

export function agentGpus(parts: AgentGpusParts): AgentGpus {
  const { engine, peerId, clock, log, watch: more, place } = parts
  const tools = (): RunTool => toolRunner(place === undefined ? {} : { folders: place.tools })
  const found = new HostGpus({ root: place?.root ?? '/', run: tools() })
  const passage = new GpuPassage({ run: tools(), nodeAt: hostNode })
  const host = new PassableGpus({ host: found, engine, passage, peerId })
  const watch = new GpuWatch({ ...more, host, clock, log })
  const tenants = new GpuTenants(engine)
  const nowMs = (): number => clock.monotonicMs()
  // Tools of their own: one that is asked about all GPUs must not keep a job from its end.
  const reader = (): HostGpuUse => new HostGpuUse({ root: '/', run: tools(), nowMs })
  const devices = () => watch.devices
  const running = () => tenants.running()
  const sampler = new GpuSampler({
    reader: reader(),
    gpus: devices,
    tenants: running,
    everyMs: place?.useEveryMs,
    clock,
    log
  })
  const jobGpus = new JobGpus({
    passage,
    tenants,
    rest: new GpuRest({ reader: reader(), clock }),
    used: (jobId) => sampler.take(jobId),
    doubt: (id, reason) => watch.doubt(id, reason)
  })
  return {
    gpus: watch,
    sampler,
    jobGpus,
    start: () => {
      watch.start()
      sampler.start()
    },
    stop: () => {
      watch.stop()
      sampler.stop()
    }
  }
}
