import type { GpuDevice } from '../gpu-device.ts'
import type { HostTree } from '../host-tree.ts'
import { PCI_DEVICES } from '../pci.ts'
import { type DeviceUse, percent, UNKNOWN_USE } from './gpu-use.ts'

const MICRO = 1_000_000
const MILLI = 1_000

/** Of the kernel's own files. What a part of a GPU does is in none of them: they are the GPU's. */
export async function amdUse(tree: HostTree, { pci, parent }: GpuDevice): Promise<DeviceUse> {
  if (parent !== undefined) return UNKNOWN_USE
  const dir = `${PCI_DEVICES}/${pci}`
  const sensors = (await tree.names(`${dir}/hwmon`))[0]
  const sensor = async (name: string): Promise<number | undefined> =>
    sensors === undefined ? undefined : await tree.number(`${dir}/hwmon/${sensors}/${name}`)
  const power = (await sensor('power1_average')) ?? (await sensor('power1_input'))
  const heat = await sensor('temp1_input')
  return {
    busyPercent: percent(await tree.number(`${dir}/gpu_busy_percent`)),
    memoryBytes: await tree.number(`${dir}/mem_info_vram_used`),
    powerWatts: power === undefined ? undefined : Math.round(power / MICRO),
    temperature: heat === undefined ? undefined : Math.round(heat / MILLI)
  }
}
