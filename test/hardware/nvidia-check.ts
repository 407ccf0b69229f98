import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename } from 'node:path'
import type { GpuDevice } from '../../agent/probe/gpu/gpu-device.ts'
import { localGpus } from '../../agent/probe/gpu/host-gpus.ts'
import { boundedGpus, gpusProblem } from '../../protocol/core/gpu.ts'

/*
 * For a host with NVIDIA's GPUs: what the agent would say of them, against what nvidia-smi -L, the
 * driver and the bus say, each read here once more and otherwise. Exits with 1 on a difference.
 * test/hardware/bundle.sh makes one file of it for hosts without the sources.
 */

const MIB = 1_048_576

const byText = (a: string, b: string): number => (a < b ? -1 : 1)

interface Difference {
  readonly name: string
  readonly agent: unknown
  readonly host: unknown
}

function smi(...args: readonly string[]): string {
  const PATH = `${process.env['PATH'] ?? ''}:/usr/local/nvidia/bin:/usr/bin:/bin`
  try {
    return execFileSync('nvidia-smi', [...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH }
    })
  } catch (error) {
    process.stderr.write(`nvidia-smi ${args.join(' ')}: ${String(error)}\n`)
    return ''
  }
}

/** One value of one GPU, asked for alone and without a title. */
function asked(pci: string, field: string): string {
  return smi(`--query-gpu=${field}`, '--format=csv,noheader,nounits', `--id=${pci}`).trim()
}

function fileOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function entriesOf(path: string): readonly string[] {
  try {
    return readdirSync(path).toSorted(byText)
  } catch {
    return []
  }
}

/** `Key: value` of /proc/driver/nvidia/gpus/PCI/information, by a pattern of its own. */
function entry(pci: string, key: string): string | undefined {
  const text = fileOf(`/proc/driver/nvidia/gpus/${pci}/information`) ?? ''
  return new RegExp(`^${key}:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim()
}

/** [named, the agent's word, the host's word] */
type Fact = readonly [string, unknown, unknown]

function factsOf(gpu: GpuDevice): readonly Fact[] {
  const { pci, id } = gpu
  const bus = `/sys/bus/pci/devices/${pci}`
  const node = Number(fileOf(`${bus}/numa_node`) ?? -1)
  const render = entriesOf(`${bus}/drm`).filter((name) => name.startsWith('renderD'))
  const capability = asked(pci, 'compute_cap').replace('.', '')
  const nodes = [
    `/dev/nvidia${entry(pci, 'Device Minor')}`,
    ...render.map((name) => `/dev/dri/${name}`)
  ]
  const whole: readonly Fact[] = [
    ['id is the UUID of the driver', id, `nvidia:${entry(pci, 'GPU UUID')}`],
    ['model is that of the driver', gpu.model, entry(pci, 'Model')],
    ['memory is that of nvidia-smi', gpu.memoryBytes, Number(asked(pci, 'memory.total')) * MIB]
  ]
  return [
    ...(gpu.parent === undefined ? whole : []),
    ['bus location is that of the driver', pci, entry(pci, 'Bus Location')],
    ['driver version is that of nvidia-smi', gpu.driver, asked(pci, 'driver_version')],
    [
      'driver version is in /proc',
      fileOf('/proc/driver/nvidia/version')?.includes(gpu.driver),
      true
    ],
    ['architecture is the compute capability', gpu.architecture, `sm_${capability}`],
    ['NUMA node is that of the bus', gpu.numaNode, node < 0 ? undefined : node],
    ['vendor on the bus', fileOf(`${bus}/vendor`), '0x10de'],
    ['driver on the bus', basename(realpathSync(`${bus}/driver`)), 'nvidia'],
    ['nodes are those of the driver and the bus', gpu.nodes, nodes],
    [
      'each node is there',
      gpu.nodes.filter(
        (path) =>
          !entriesOf('/dev').includes(basename(path)) &&
          !entriesOf('/dev/dri').includes(basename(path))
      ),
      []
    ],
    ['it has memory of its own', gpu.sharedMemory, false],
    [
      'it is well, as its recovery action says',
      gpu.health === 'ok',
      asked(pci, 'gpu_recovery_action') === 'None'
    ]
  ]
}

/** Of all: by `nvidia-smi -L`, parts in place of the GPU that has them. */
function listed(): readonly string[] {
  const ids: string[] = []
  let whole: string | undefined
  for (const line of smi('-L').split('\n')) {
    const id = /\(UUID: (\S+)\)/.exec(line)?.[1]
    if (id === undefined) continue
    if (/^\s/.test(line)) {
      if (ids.at(-1) === `nvidia:${whole}`) ids.pop()
    } else whole = id
    ids.push(`nvidia:${id}`)
  }
  return ids.toSorted(byText)
}

const host = localGpus()
const { devices, warnings } = await host.read()
const isNews = [await host.isNews(), await host.isNews()]
const again = (await host.read()).devices
await host.close()
const own = devices.filter(({ vendor }) => vendor === 'nvidia')
const facts: readonly Fact[] = [
  ['ids are those of nvidia-smi -L', own.map(({ id }) => id).toSorted(byText), listed()],
  [
    'GPUs are those of /proc',
    [...new Set(own.map(({ pci }) => pci))].sort(),
    entriesOf('/proc/driver/nvidia/gpus')
  ],
  ['a second reading is the same', again, devices],
  ['only the first look is news', isNews, [true, false]],
  ['what is advertised may be', gpusProblem(boundedGpus(devices)), undefined],
  ['what is advertised is all of them', boundedGpus(devices).length, devices.length],
  ['nothing is warned of', warnings, []],
  ...own.flatMap((gpu) =>
    factsOf(gpu).map(([name, ...both]): Fact => [`${gpu.id}: ${name}`, ...both])
  )
]
const differences: Difference[] = []
for (const [name, agent, other] of facts) {
  const isSame = JSON.stringify(agent) === JSON.stringify(other)
  process.stdout.write(`${isSame ? 'same' : 'DIFFERENT'}: ${name}\n`)
  if (!isSame) differences.push({ name, agent, host: other })
}
const found = own.length > 0
process.stdout.write(`${JSON.stringify({ found, devices, warnings, differences }, undefined, 2)}\n`)
process.exitCode = found && differences.length === 0 ? 0 : 1
