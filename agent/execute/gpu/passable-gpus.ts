import type { GpuReading } from '../../probe/gpu/gpu-device.ts'
import type { HostGpus } from '../../probe/gpu/host-gpus.ts'
import type { Engine } from '../engine.ts'
import type { GpuPassage } from './gpu-passage.ts'

type Read = Pick<HostGpus, 'isNews' | 'read' | 'close' | 'reading'>

export interface PassableGpusParts {
  readonly host: Read
  readonly engine: Pick<Engine, 'info'>
  readonly passage: Pick<GpuPassage, 'judged'>
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
    return info === undefined ? reading : await passage.judged(reading, info)
  }

  async close(): Promise<void> {
    await this.#parts.host.close()
  }
}
