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
import { localGpus } from './probe/gpu/host-gpus.ts'
import { toolRunner } from './probe/gpu/tools.ts'
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
  readonly clock: Clock
  readonly log: Log
  /** More of what a watch goes by. */
  readonly watch: Omit<GpuWatchParts, 'host' | 'clock' | 'log'>
}

export function agentGpus({ engine, clock, log, watch: more }: AgentGpusParts): AgentGpus {
  const passage = new GpuPassage({ run: toolRunner(), nodeAt: hostNode })
  const host = new PassableGpus({ host: localGpus(), engine, passage })
  const watch = new GpuWatch({ ...more, host, clock, log })
  const tenants = new GpuTenants(engine)
  const nowMs = (): number => clock.monotonicMs()
  // Tools of their own: one that is asked about all GPUs must not keep a job from its end.
  const reader = (): HostGpuUse => new HostGpuUse({ root: '/', run: toolRunner(), nowMs })
  const devices = () => watch.devices
  const running = () => tenants.running()
  const sampler = new GpuSampler({
    reader: reader(),
    gpus: devices,
    tenants: running,
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
