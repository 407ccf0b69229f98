import type { GpuDevice, GpuReading } from '../../probe/gpu/gpu-device.ts'
import type { HostGpus } from '../../probe/gpu/host-gpus.ts'
import type { Engine } from '../engine.ts'
import type { OwnedContainer } from '../engine-types.ts'
import { takenElsewhere } from './gpu-neighbours.ts'
import type { GpuPassage } from './gpu-passage.ts'

type Read = Pick<HostGpus, 'isNews' | 'read' | 'close' | 'reading'>

export interface PassableGpusParts {
  readonly host: Read
  readonly engine: Pick<Engine, 'info' | 'containers'>
  readonly passage: Pick<GpuPassage, 'judged'>
  /** Whose containers are this agent's. */
  readonly peerId: string
}

/** The GPUs of this host, those ill that no container of its engine can get. */
export class PassableGpus implements Read {
  readonly #parts: PassableGpusParts

  constructor(parts: PassableGpusParts) {
    this.#parts = parts
  }

  get reading(): string {
    return this.#parts.host.reading
  }

  async isNews(): Promise<boolean> {
    return await this.#parts.host.isNews()
  }

  async read(): Promise<GpuReading> {
    const { host, engine, passage } = this.#parts
    const reading = await host.read()
    // An engine that is away keeps every job away: of its GPUs nothing is said then.
    const info = await engine.info().catch(() => undefined)
    if (info === undefined || reading.devices.length === 0) return reading
    const judged = await passage.judged(reading, info)
    // At a start it is asked again: what is not seen here costs an attempt, and no more.
    const containers = await engine.containers({}).catch(() => [])
    const devices = judged.devices.map((device) => this.#unlessTaken(device, containers))
    return { ...judged, devices }
  }

  #unlessTaken(device: GpuDevice, containers: readonly OwnedContainer[]): GpuDevice {
    const container = takenElsewhere(device, containers, this.#parts.peerId)
    if (container === undefined) return device
    const reason = `the container ${container} of another agent on this engine has it`
    return { ...device, health: 'unhealthy', reasons: [...device.reasons, reason] }
  }

  async close(): Promise<void> {
    await this.#parts.host.close()
  }
}
