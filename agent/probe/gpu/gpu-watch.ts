import { causeOf } from '../../../protocol/core/errors.ts'
import { boundedGpus, type Gpu, type GpuVendor } from '../../../protocol/core/gpu.ts'
import {
  GPU_CLEAN_SCANS,
  GPU_LOOK_EVERY_MS,
  GPU_SCAN_EVERY_MS,
  GPU_SCAN_MS_MAX,
  GPU_WARNINGS_MAX,
  GPUS_MAX
} from '../../../protocol/core/gpu-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { Log } from '../../../protocol/host/log.ts'
import type { GpuSettings } from '../../policy/gpu-settings.ts'
import type { HostProblem } from '../host-profile.ts'
import type { GpuDevice, GpuReading } from './gpu-device.ts'
import { gpuProblems } from './gpu-problems.ts'
import type { HostGpus } from './host-gpus.ts'

export interface GpuWatchParts {
  readonly host: Pick<HostGpus, 'isNews' | 'read' | 'close' | 'reading'>
  readonly clock: Clock
  readonly log: Log
  /** What the owner says of GPUs by their ids; absent is nothing. */
  readonly settings?: Pick<GpuSettings, 'ignore' | 'shares'> | undefined
}

/** A GPU that was here once, and in how many readings it was well since it was ill. */
interface Seen {
  readonly gpu: GpuDevice
  readonly clean: number
}

/**
 * The GPUs of this host from the agent's start on: read again every minute, and within seconds of
 * one that comes, goes or is reported by the kernel. Nothing of it keeps the agent from its work,
 * however long a driver hangs.
 */
export class GpuWatch {
  readonly #parts: GpuWatchParts
  readonly #listeners: (() => void)[] = []
  #seen: ReadonlyMap<string, Seen> = new Map()
  #warnings: readonly string[] = []
  #shown: readonly Gpu[] = []
  #trustedOnly: readonly GpuVendor[] = []
  /** What listeners were told last. */
  #told = '[[],[]]'
  /** What the owner names and nobody has. */
  #unknown: readonly string[] = []
  /** How many there are that no advertisement has room for. */
  #leftOut = 0
  /** What a reading that does not end is waiting for. */
  #stuckAt: string | undefined
  #readAtMs = Number.NEGATIVE_INFINITY
  #disarm: (() => void) | undefined
  #looking: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: GpuWatchParts) {
    this.#parts = parts
  }

  /** What the agent may say of them. */
  get gpus(): readonly Gpu[] {
    return this.#shown
  }

  /** Vendors whose GPUs no untrusted job gets here. */
  get trustedOnly(): readonly GpuVendor[] {
    return this.#trustedOnly
  }

  /** The same, with what only this host needs to know of each. */
  get devices(): readonly GpuDevice[] {
    return this.#shown.flatMap((gpu): GpuDevice[] => {
      const seen = this.#seen.get(gpu.id)
      return seen === undefined ? [] : [{ ...gpu, nodes: seen.gpu.nodes }]
    })
  }

  problems(): readonly HostProblem[] {
    const warnings = [...this.#warnings, ...this.#unsaid(), ...this.#unknown]
    return gpuProblems(this.#shown, warnings)
  }

  /** One that failed a job is ill from now on, as one is that says so itself. */
  doubt(id: string, reason: string): void {
    const seen = this.#seen.get(id)
    if (seen === undefined || seen.gpu.health === 'lost') return
    const reasons = [reason, ...seen.gpu.reasons.filter((each) => each !== reason)]
    const gpu: GpuDevice = { ...seen.gpu, health: 'unhealthy', reasons }
    this.#seen = new Map([...this.#seen, [id, { gpu, clean: 0 }]])
    this.#show()
  }

  /** Called when `gpus` or `trustedOnly` is another. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  start(): void {
    this.#arm(0)
  }

  /** One look, for whoever wants no more. */
  async once(): Promise<void> {
    await this.#look()
  }

  /** Nobody waits for it: a driver that hangs must not keep the agent from its end. */
  stop(): void {
    this.#stopped = true
    this.#disarm?.()
    void this.#looking.then(() => this.#parts.host.close())
  }

  /** Resolves once no look is under way. */
  async idle(): Promise<void> {
    await this.#looking
  }

  #arm(afterMs: number): void {
    if (this.#stopped) return
    this.#disarm = this.#parts.clock.arm(afterMs, () => {
      this.#looking = this.#look().finally(() => this.#arm(GPU_LOOK_EVERY_MS))
    })
  }

  async #look(): Promise<void> {
    const { host, clock, log } = this.#parts
    const forget = clock.arm(GPU_SCAN_MS_MAX, () => this.#stick(host.reading))
    try {
      const isNews = await host.isNews()
      const nowMs = clock.bootMs()
      if (!isNews && nowMs - this.#readAtMs < GPU_SCAN_EVERY_MS) return
      const reading = await host.read()
      this.#readAtMs = nowMs
      this.#take(reading)
    } catch (error) {
      // What was known stays: a mistake of ours takes no GPU away.
      log.error({ err: error }, 'GPUs not read')
      this.#warnings = [`the GPUs of this host could not be read: ${causeOf(error)}`]
    } finally {
      forget()
      this.#stuckAt = undefined
      this.#show()
    }
  }

  #take({ devices: read, warnings, trustedOnly = [] }: GpuReading): void {
    this.#trustedOnly = trustedOnly
    const devices = this.#withoutIgnored(read)
    const seen = new Map<string, Seen>()
    const twice = new Set<string>()
    for (const device of devices) {
      if (seen.has(device.id)) twice.add(device.id)
      else seen.set(device.id, this.#seenAgain(device))
    }
    const places = new Set(devices.map(({ pci }) => pci))
    for (const [id, { gpu }] of this.#seen) {
      // One that its owner divided, or made whole again, is not gone.
      if (seen.has(id) || places.has(gpu.pci)) continue
      // Addresses that a tool makes up anew each time would be remembered for ever.
      if (seen.size >= devices.length + GPUS_MAX) break
      const reasons = ['it is gone: no driver of this host has it any more']
      seen.set(id, { gpu: { ...gpu, health: 'lost', reasons }, clean: 0 })
    }
    this.#seen = seen
    const all = [...warnings, ...[...twice].slice(0, GPU_WARNINGS_MAX).map(twiceWarning)]
    for (const warning of all) {
      if (!this.#warnings.includes(warning)) this.#parts.log.warn({ warning }, 'GPU warning')
    }
    this.#warnings = all
  }

  #withoutIgnored(devices: readonly GpuDevice[]): readonly GpuDevice[] {
    const { ignore = [], shares = {} } = this.#parts.settings ?? {}
    const here = new Set(devices.flatMap(({ id, parent }) => [id, parent]))
    this.#unknown = [...ignore, ...Object.keys(shares)]
      .filter((id) => !here.has(id))
      .map((id) => `agent.yaml names ${id}, and this host has no such GPU`)
    const ignored = new Set(ignore)
    return devices.filter(({ id, parent }) => !ignored.has(id) && !ignored.has(parent ?? ''))
  }

  /** One that was ill is well again after some readings in a row: what comes and goes is ill. */
  #seenAgain(gpu: GpuDevice): Seen {
    const before = this.#seen.get(gpu.id)
    if (gpu.health !== 'ok' || before?.gpu.health !== 'unhealthy') return { gpu, clean: 0 }
    const clean = before.clean + 1
    if (clean >= GPU_CLEAN_SCANS) return { gpu, clean: 0 }
    return { gpu: { ...gpu, health: 'unhealthy', reasons: before.gpu.reasons }, clean }
  }

  #unsaid(): readonly string[] {
    if (this.#leftOut === 0) return []
    return [`${this.#leftOut} GPUs of this host are not advertised: at most ${GPUS_MAX} are`]
  }

  #stick(path: string): void {
    if (this.#stopped) return
    this.#stuckAt = path
    const what = path === '' ? 'a tool' : path
    this.#warnings = [`reading the GPUs of this host does not end: it waits for ${what}`]
    this.#show()
  }

  #show(): void {
    const gpus = [...this.#seen.values()].map(({ gpu }) => {
      if (this.#stuckAt === undefined || gpu.health === 'lost') return gpu
      const reasons = [...gpu.reasons, 'its driver may hang: reading the GPUs does not end']
      return { ...gpu, health: 'unhealthy' as const, reasons }
    })
    const shown = boundedGpus(gpus)
    this.#leftOut = gpus.length - shown.length
    const tells = JSON.stringify([shown, this.#trustedOnly])
    if (tells === this.#told) return
    this.#told = tells
    this.#shown = shown
    const said = shown.map(({ id, model, health, reasons }) => ({ id, model, health, reasons }))
    this.#parts.log.info({ gpus: said }, 'GPUs changed')
    if (this.#stopped) return
    for (const listener of this.#listeners) listener()
  }
}

/** Which of both a container would get, nobody could say of those that go by their ids. */
function twiceWarning(id: string): string {
  return `two devices of this host have the id ${id}: the first one is offered, and no other`
}
