import { fakeNvidiaSmi } from './fake-nvidia-smi.ts'
import { GpuHostTree, gpuNode, uuid } from './gpu-host.ts'

/*
 * Whole hosts with GPUs, of each kind that a mesh meets. Render nodes and cards are numbered as a
 * bus happens to number them, and never in the order of the GPUs.
 */

const GIB = 2 ** 30
const MI210 = { vendor: '0x1002', device: '0x740f', class: '0x038000', driver: 'amdgpu', numa: 1 }
const FLEX = { vendor: '0x8086', device: '0x56c0', class: '0x038000', driver: 'i915', numa: 0 }
/** What a server shows its console with: a card with a render node of no use. */
const BMC = { vendor: '0x1a03', device: '0x2000', driver: 'ast', card: 0 }

export const AMD_ID = 0x1901_ead3_a2ec_d4a6n
export const AMD_ADDRESS = '0000:63:00.0'
export const INTEL_ADDRESS = '0000:4d:00.0'
export const NVIDIA_ADDRESS = '0000:3b:00.0'

const MI210_FILES = {
  unique_id: `${AMD_ID.toString(16)}\n`,
  product_name: 'AMD Instinct MI210\n',
  mem_info_vram_total: `${64 * GIB}\n`
}
const MI210_NODE = { gfx_target_version: 90_010, location_id: 0x6300, drm_render_minor: 130 }

export async function nvidiaHost(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.nvidia(NVIDIA_ADDRESS, { render: 128, numa: 0 })
  await fakeNvidiaSmi(host, { rows: [{}] })
  await toolkit(host, '1.17.8')
  return host
}

/** Two instances of one GPU that is divided. */
export async function migHost(): Promise<GpuHostTree> {
  const host = await nvidiaHost()
  const list = [
    `GPU 0: NVIDIA H100 80GB HBM3 (UUID: ${uuid('0')})`,
    `  MIG 1g.10gb     Device  0: (UUID: ${uuid('1', 'MIG')})`,
    `  MIG 2g.20gb     Device  1: (UUID: ${uuid('2', 'MIG')})`
  ]
  await fakeNvidiaSmi(host, {
    rows: [{ 'mig.mode.current': 'Enabled' }],
    list: `${list.join('\n')}\n`
  })
  return host
}

export async function amdHost(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci(AMD_ADDRESS, { ...MI210, card: 1, render: 130, files: MI210_FILES })
  const properties = gpuNode({ ...MI210_NODE, unique_id: AMD_ID })
  await host.kfd([{ properties, memory: 64 * GIB }])
  return host
}

export async function intelHost(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci(INTEL_ADDRESS, { ...FLEX, card: 1, render: 129 })
  return host
}

/** NVIDIA's and AMD's in one, behind the graphics of a management controller. */
export async function twoVendors(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci('0000:02:00.0', { ...BMC })
  await host.nvidia(NVIDIA_ADDRESS, { render: 128 })
  await fakeNvidiaSmi(host, { rows: [{}] })
  await toolkit(host, '1.17.8')
  await host.pci(AMD_ADDRESS, { ...MI210, card: 2, render: 130, files: MI210_FILES })
  const properties = gpuNode({ ...MI210_NODE, unique_id: AMD_ID })
  await host.kfd([{ properties, memory: 64 * GIB }])
  return host
}

/** An MI300X in eight parts, `CPX`. */
export async function eightParts(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  const files = { ...MI210_FILES, product_name: 'AMD Instinct MI300X\n' }
  const place = { ...MI210, device: '0x74a1', card: 1, render: 128 }
  await host.pci('0000:05:00.0', {
    ...place,
    files: { ...files, current_compute_partition: 'CPX\n' }
  })
  const parts = Array.from({ length: 8 }, (_, index) => ({
    properties: gpuNode({
      gfx_target_version: 90_402,
      location_id: 0x500 + index,
      drm_render_minor: 128 + index,
      unique_id: AMD_ID
    }),
    memory: 24 * GIB
  }))
  await host.kfd(parts)
  for (const { properties } of parts.slice(1)) {
    const minor = properties['drm_render_minor']
    const platform = `sys/devices/platform/amdgpu_xcp_${minor}/drm/renderD${minor}`
    await host.file(`${platform}/dev`, `226:${minor}\n`)
    await host.link(`sys/class/drm/renderD${minor}`, platform)
  }
  return host
}

/** Graphics of a management controller as `card0`, with a render node before the GPU's. */
export async function behindBmc(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci('0000:02:00.0', { ...BMC, render: 128 })
  await host.pci(INTEL_ADDRESS, { ...FLEX, card: 1, render: 129 })
  return host
}

/** Two equal GPUs: the one that comes first on the bus has the later nodes. */
export async function unordered(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci('0000:4d:00.0', { ...FLEX, card: 2, render: 131 })
  await host.pci('0000:8d:00.0', { ...FLEX, card: 0, render: 128 })
  return host
}

/** A consumer's GPU of AMD's without an id, and one of NVIDIA's whose driver gives it none. */
export async function withoutIds(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.nvidia(NVIDIA_ADDRESS, { render: 129, uuid: 'GPU-????????' })
  await toolkit(host, '1.17.8')
  const files = { product_name: '\n', mem_info_vram_total: `${32 * GIB}\n` }
  await host.pci(AMD_ADDRESS, { ...MI210, device: '0x7550', card: 1, render: 130, files })
  const node = { ...MI210_NODE, gfx_target_version: 120_001, unique_id: 0 }
  await host.kfd([{ properties: gpuNode(node), memory: 32 * GIB }])
  return host
}

/** NVIDIA's container toolkit, as it names itself. */
export async function toolkit(host: GpuHostTree, version: string): Promise<void> {
  await host.tool('nvidia-ctk', `echo "NVIDIA Container Toolkit CLI version ${version}"`)
}
