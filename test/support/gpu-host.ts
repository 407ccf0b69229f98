import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { onTestFinished } from 'vitest'
import { HostGpus } from '../../agent/probe/gpu/host-gpus.ts'
import { type ToolOptions, toolRunner } from '../../agent/probe/gpu/tools.ts'
import { temporaryFolder } from './store-folder.ts'

/*
 * A host with GPUs as a folder: /proc, /sys and /dev as the kernel and the vendors document them,
 * links and all, and the vendors' tools as programs. Written here, none of it taken from a host.
 */

export interface PciDevice {
  readonly vendor: string
  readonly device: string
  readonly class?: string
  /** Absent for a device without one. */
  readonly driver?: string | undefined
  readonly numa?: number
  /** Numbers of its nodes below /dev/dri. */
  readonly card?: number
  readonly render?: number
  /** More files of its folder. */
  readonly files?: Readonly<Record<string, string>>
}

export interface NvidiaGpu {
  readonly model?: string
  readonly uuid?: string
  readonly minor?: number
  readonly excluded?: 'Yes' | 'No'
  readonly render?: number
  readonly numa?: number
}

export interface KfdProperties {
  readonly [key: string]: number | bigint
}

export const NVIDIA_DRIVER = '580.65.06'
export const KERNEL = '6.8.0-71-generic'

/** `GPU-` and a UUID made of one digit. */
export function uuid(digit: string, prefix = 'GPU'): string {
  const part = (length: number): string => digit.repeat(length)
  return `${prefix}-${part(8)}-${part(4)}-${part(4)}-${part(4)}-${part(12)}`
}

export class GpuHostTree {
  readonly root: string
  readonly tools: string

  private constructor(root: string) {
    this.root = root
    this.tools = join(root, 'tools')
  }

  /** A host without a GPU. */
  static async make(): Promise<GpuHostTree> {
    return await GpuHostTree.in(await temporaryFolder())
  }

  /** Likewise, in this folder, which stays. */
  static async in(root: string): Promise<GpuHostTree> {
    await mkdir(root, { recursive: true })
    // Others than its owner look at it in some tests.
    await chmod(root, 0o755)
    const host = new GpuHostTree(root)
    await mkdir(host.tools)
    await host.file('proc/sys/kernel/osrelease', `${KERNEL}\n`)
    await mkdir(join(root, 'sys/class/drm'), { recursive: true })
    await mkdir(join(root, 'sys/bus/pci/devices'), { recursive: true })
    return host
  }

  /** Its GPUs, as an agent on it reads them. */
  gpus(options: Omit<ToolOptions, 'folders'> = {}): HostGpus {
    const run = toolRunner({ ...options, folders: [this.tools] })
    const gpus = new HostGpus({ root: this.root, run })
    onTestFinished(() => gpus.close())
    return gpus
  }

  async file(path: string, text: string): Promise<void> {
    const full = join(this.root, path)
    await mkdir(dirname(full), { recursive: true })
    await writeFile(full, text)
  }

  async link(path: string, target: string): Promise<void> {
    const full = join(this.root, path)
    await mkdir(dirname(full), { recursive: true })
    await symlink(relative(dirname(full), join(this.root, target)), full)
  }

  /** A program of that name, of `sh` unless it begins otherwise. */
  async tool(name: string, script: string): Promise<void> {
    const path = join(this.tools, name)
    await writeFile(path, script.startsWith('#!') ? script : `#!/bin/sh\n${script}\n`)
    await chmod(path, 0o755)
  }

  async pci(address: string, device: PciDevice): Promise<void> {
    const { vendor, device: id, class: kind = '0x030000', driver, numa = -1 } = device
    const dir = `sys/devices/pci0000:00/${address}`
    const hex = (text: string): string => text.slice(2).toUpperCase()
    await this.file(`${dir}/vendor`, `${vendor}\n`)
    await this.file(`${dir}/device`, `${id}\n`)
    await this.file(`${dir}/class`, `${kind}\n`)
    await this.file(`${dir}/numa_node`, `${numa}\n`)
    const event = [
      ...(driver === undefined ? [] : [`DRIVER=${driver}`]),
      `PCI_CLASS=${kind.slice(3)}`,
      `PCI_ID=${hex(vendor)}:${hex(id)}`,
      `PCI_SLOT_NAME=${address}`
    ]
    await this.file(`${dir}/uevent`, `${event.join('\n')}\n`)
    if (driver !== undefined) {
      await mkdir(join(this.root, `sys/bus/pci/drivers/${driver}`), { recursive: true })
      await this.link(`${dir}/driver`, `sys/bus/pci/drivers/${driver}`)
    }
    for (const [name, text] of Object.entries(device.files ?? {})) {
      await this.file(`${dir}/${name}`, text)
    }
    await this.link(`sys/bus/pci/devices/${address}`, dir)
    if (device.card !== undefined) await this.#node(dir, `card${device.card}`)
    if (device.render !== undefined) await this.#node(dir, `renderD${device.render}`)
    // A connector: a name of the same kind that is no card.
    if (device.card !== undefined) await this.#node(dir, `card${device.card}-DP-1`, 'cards')
  }

  async #node(dir: string, name: string, kind = 'drm'): Promise<void> {
    await mkdir(join(this.root, `${dir}/${kind}/${name}`), { recursive: true })
    await this.link(`${dir}/${kind}/${name}/device`, dir)
    await this.link(`sys/class/drm/${name}`, `${dir}/${kind}/${name}`)
  }

  /** One of NVIDIA's, as its driver shows it. */
  async nvidia(address: string, gpu: NvidiaGpu = {}): Promise<void> {
    const { minor = 0, numa = -1, render } = gpu
    const base = { vendor: '0x10de', device: '0x2330', class: '0x030200', driver: 'nvidia', numa }
    await this.pci(address, render === undefined ? base : { ...base, render })
    await this.file('proc/driver/nvidia/version', versionText())
    const text = informationText(address, { ...gpu, minor })
    await this.file(`proc/driver/nvidia/gpus/${address}/information`, text)
  }

  /** Nodes of AMD's compute driver, numbered from 0; the CPU is one. */
  async kfd(nodes: readonly { properties: KfdProperties; memory?: number }[]): Promise<void> {
    const top = 'sys/class/kfd/kfd/topology/nodes'
    await this.file(`${top}/0/properties`, lines({ cpu_cores_count: 16, simd_count: 0 }))
    await this.file(`${top}/0/gpu_id`, '0\n')
    await this.file(`${top}/0/mem_banks/0/properties`, lines({ heap_type: 0, size_in_bytes: 64e9 }))
    for (const [index, { properties, memory }] of nodes.entries()) {
      const dir = `${top}/${index + 1}`
      await this.file(`${dir}/properties`, lines(properties))
      await this.file(`${dir}/gpu_id`, `${16_000 + index}\n`)
      await this.file(`${dir}/name`, 'ip discovery\n')
      if (memory === undefined) continue
      const bank = lines({ heap_type: 1, size_in_bytes: memory, flags: 0, width: 4_096 })
      await this.file(`${dir}/mem_banks/0/properties`, bank)
    }
  }

  /** What the kernel logged, oldest first, in the form of /dev/kmsg. */
  async kernelLog(texts: readonly string[], facility = 0): Promise<void> {
    const records = texts.map((text, index) => {
      return `${facility * 8 + 6},${index},${index * 1_000},-;${text}\n`
    })
    await this.file('dev/kmsg', records.join(''))
  }
}

/** As /sys/class/kfd has them. */
export function gpuNode(more: KfdProperties): KfdProperties {
  return {
    cpu_cores_count: 0,
    simd_count: 416,
    vendor_id: 4_098,
    domain: 0,
    local_mem_size: 0,
    num_xcc: 1,
    ...more
  }
}

function lines(facts: KfdProperties): string {
  return Object.entries(facts)
    .map(([key, value]) => `${key} ${value}\n`)
    .join('')
}

function versionText(): string {
  return (
    `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  ${NVIDIA_DRIVER}  Release Build\n` +
    'GCC version:  gcc version 13.3.0 (GCC)\n'
  )
}

function informationText(address: string, gpu: NvidiaGpu): string {
  const { model = 'NVIDIA H100 80GB HBM3', uuid: id = uuid('0'), excluded } = gpu
  return (
    `Model: \t\t ${model}\n` +
    'IRQ:   \t\t 42\n' +
    `GPU UUID: \t ${id}\n` +
    'Video BIOS: \t 96.00.89.00.01\n' +
    'Bus Type: \t PCIe\n' +
    'DMA Size: \t 52 bits\n' +
    'DMA Mask: \t 0xfffffffffffff\n' +
    `Bus Location: \t ${address}\n` +
    `Device Minor: \t ${gpu.minor}\n` +
    (excluded === undefined ? '' : `GPU Excluded:\t ${excluded}\n`)
  )
}
