import { GPU_WARNINGS_MAX } from '../../../protocol/core/gpu-limits.ts'
import { AmdReader } from './amd.ts'
import type { GpuReading } from './gpu-device.ts'
import { HostTree } from './host-tree.ts'
import { IntelReader } from './intel.ts'
import { KernelFaults } from './kernel-faults.ts'
import { KernelLog } from './kernel-log.ts'
import { readNvidia } from './nvidia.ts'
import { PCI_DEVICES } from './pci.ts'
import { type RunTool, toolRunner } from './tools.ts'

/** Folders that have another entry when a GPU comes or goes. */
const SIGNS = [
  ...['proc/driver/nvidia/gpus', 'sys/class/drm', 'sys/class/kfd/kfd/topology/nodes'],
  PCI_DEVICES
]

export interface HostGpusParts {
  /** `/`, or what stands for it. */
  readonly root: string
  readonly run: RunTool
}

/** Those of the host that this process is on. */
export function localGpus(): HostGpus {
  return new HostGpus({ root: '/', run: toolRunner() })
}

/** The GPUs of this host, read as often as somebody asks. One question at a time. */
export class HostGpus {
  readonly #run: RunTool
  readonly #tree: HostTree
  readonly #log: KernelLog
  readonly #faults = new KernelFaults()
  readonly #amd = new AmdReader()
  readonly #intel = new IntelReader()
  #sign = ''

  constructor({ root, run }: HostGpusParts) {
    this.#run = run
    this.#tree = new HostTree(root)
    this.#log = new KernelLog(root)
  }

  /** The file that is read now, for whoever waits too long. */
  get reading(): string {
    return this.#tree.reading
  }

  /** True where a GPU came or went, or the kernel reported one, since this was asked last. */
  async isNews(): Promise<boolean> {
    const isReported = this.#faults.take(await this.#log.read())
    const names: (readonly string[])[] = []
    for (const path of SIGNS) names.push(await this.#tree.names(path))
    const sign = JSON.stringify(names)
    const isOther = sign !== this.#sign
    this.#sign = sign
    return isReported || isOther
  }

  /** One vendor after the other: see HostTree. */
  async read(): Promise<GpuReading> {
    this.#faults.take(await this.#log.read())
    const host = { tree: this.#tree, run: this.#run, faults: this.#faults }
    const readings = [
      await readNvidia(host),
      await this.#amd.read(host),
      await this.#intel.read(host)
    ]
    const warnings = [
      ...readings.flatMap((reading) => reading.warnings),
      ...this.#tree.takeWarnings()
    ]
    return {
      devices: readings.flatMap(({ devices }) => devices),
      warnings: [...new Set(warnings)].slice(0, GPU_WARNINGS_MAX)
    }
  }

  async close(): Promise<void> {
    await this.#log.close()
  }
}
