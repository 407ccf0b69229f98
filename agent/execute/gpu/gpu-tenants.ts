import type { GpuTenant } from '../../probe/gpu/use/host-gpu-use.ts'
import type { AttemptInput } from '../attempt.ts'
import type { Engine } from '../engine.ts'
import type { LeasedGpu } from './leased-gpu.ts'

interface Tenant {
  readonly name: string
  readonly gpus: readonly LeasedGpu[]
  /** Once its container was seen. */
  readonly found: Pick<GpuTenant, 'container' | 'first'> | undefined
}

/** Attempts that have GPUs now, with what their processes are found by. */
export class GpuTenants {
  readonly #engine: Pick<Engine, 'inspect'>
  readonly #tenants = new Map<string, Tenant>()

  constructor(engine: Pick<Engine, 'inspect'>) {
    this.#engine = engine
  }

  /** Before its container is made, whose name is known already. */
  add({ jobId, gpus = [] }: Pick<AttemptInput, 'jobId' | 'gpus'>, name: string): void {
    if (gpus.length > 0) this.#tenants.set(jobId, { name, gpus, found: undefined })
  }

  remove(jobId: string): void {
    this.#tenants.delete(jobId)
  }

  /** Those whose containers run. */
  async running(): Promise<readonly GpuTenant[]> {
    const running: GpuTenant[] = []
    for (const [jobId, tenant] of this.#tenants) {
      const found = tenant.found ?? (await this.#find(tenant.name))
      if (found === undefined || !this.#tenants.has(jobId)) continue
      this.#tenants.set(jobId, { ...tenant, found })
      running.push({ jobId, gpus: tenant.gpus, ...found })
    }
    return running
  }

  async #find(name: string): Promise<Tenant['found']> {
    const view = await this.#engine.inspect(name).catch(() => undefined)
    return view?.running === true ? { container: view.id, first: view.pid } : undefined
  }
}
