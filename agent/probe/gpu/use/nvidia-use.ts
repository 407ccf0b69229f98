import { csvTable } from '../csv-table.ts'
import type { GpuDevice } from '../gpu-device.ts'
import { usedOfMig } from '../nvidia-mig.ts'
import { NVIDIA_SMI } from '../nvidia-query.ts'
import type { RunTool } from '../tools.ts'
import { type DeviceUse, type ProcessUse, UNKNOWN_USE } from './gpu-use.ts'

const MIB = 1_048_576
const FIELDS = 'index,uuid,utilization.gpu,memory.used,power.draw,temperature.gpu'

/** What NVIDIA's tool says of all of its GPUs now. */
export interface NvidiaUse {
  /** By the GPU's id. */
  readonly devices: ReadonlyMap<string, DeviceUse>
  /** Of the GPU itself, also where the process has a part of it. */
  readonly processes: (gpu: GpuDevice) => readonly ProcessUse[]
}

/** `shared`: how much of the time each process takes is asked as well, which takes a second. */
export async function nvidiaUse(
  run: RunTool,
  gpus: readonly GpuDevice[],
  shared: boolean
): Promise<NvidiaUse> {
  const table = await tableOf(run, [`--query-gpu=${FIELDS}`], ['index', 'uuid'])
  const apps = ['--query-compute-apps=gpu_uuid,pid,used_gpu_memory']
  const processes = await tableOf(run, apps, ['gpu_uuid', 'pid'])
  const times = shared ? await processTimes(run) : new Map<string, number>()
  const parts = gpus.some(isPart) ? await usedOfMig(run) : new Map<string, number>()
  const rows = new Map(table.map((row) => [row.get('uuid') ?? '', row]))
  const devices = new Map<string, DeviceUse>()
  for (const gpu of gpus) devices.set(gpu.id, useOf(gpu, rows.get(uuidOf(gpu)), parts))
  return {
    devices,
    processes: (gpu) => {
      const index = rows.get(uuidOf(gpu))?.get('index')
      return processes
        .filter((row) => row.get('gpu_uuid') === uuidOf(gpu))
        .map((row) => processOf(row, index, times))
    }
  }
}

function isPart({ parent }: GpuDevice): boolean {
  return parent !== undefined
}

/** Of the GPU itself: processes are listed by it, whichever part they have. */
function uuidOf({ id, parent }: GpuDevice): string {
  return (parent ?? id).slice('nvidia:'.length)
}

type Row = ReadonlyMap<string, string>

/** None where the tool is missing, fails or prints something else: use is not known then. */
async function tableOf(
  run: RunTool,
  args: readonly string[],
  titles: readonly string[]
): Promise<readonly Row[]> {
  const answer = await run(NVIDIA_SMI, [...args, '--format=csv,nounits'])
  return answer.kind === 'said' ? (csvTable(answer.text, titles)?.rows ?? []) : []
}

/** Of a part nothing but its memory is known: the time of all of them is the GPU's. */
function useOf(
  gpu: GpuDevice,
  row: Row | undefined,
  parts: ReadonlyMap<string, number>
): DeviceUse {
  if (row === undefined) return UNKNOWN_USE
  if (isPart(gpu)) {
    return { ...UNKNOWN_USE, memoryBytes: parts.get(gpu.id.slice('nvidia:'.length)) }
  }
  const memory = numberIn(row, 'memory.used')
  return {
    busyPercent: numberIn(row, 'utilization.gpu'),
    memoryBytes: memory === undefined ? undefined : memory * MIB,
    powerWatts: numberIn(row, 'power.draw'),
    temperature: numberIn(row, 'temperature.gpu')
  }
}

function processOf(
  row: Row,
  index: string | undefined,
  times: ReadonlyMap<string, number>
): ProcessUse {
  const pid = numberIn(row, 'pid') ?? 0
  const memory = numberIn(row, 'used_gpu_memory')
  return {
    pid,
    busyPercent: times.get(`${index} ${pid}`),
    memoryBytes: memory === undefined ? undefined : memory * MIB
  }
}

/** Undefined for `[N/A]` and its like. */
function numberIn(row: Row, title: string): number | undefined {
  const text = row.get(title) ?? ''
  return /^\d{1,9}(?:\.\d{1,6})?$/.test(text) ? Math.round(Number(text)) : undefined
}

/** Percent of the time, by `<index of the GPU> <pid>`, of `nvidia-smi pmon`; none under MIG. */
async function processTimes(run: RunTool): Promise<ReadonlyMap<string, number>> {
  const answer = await run(NVIDIA_SMI, ['pmon', '-c', '1'])
  const times = new Map<string, number>()
  if (answer.kind !== 'said') return times
  const lines = answer.text.split('\n')
  const head = lines.find((line) => /^#\s*gpu\s+pid\b/.test(line)) ?? ''
  const titles = head.slice(1).trim().split(/\s+/)
  const [gpuAt, pidAt, timeAt] = ['gpu', 'pid', 'sm'].map((title) => titles.indexOf(title))
  for (const line of lines.filter((each) => !each.startsWith('#'))) {
    const cells = line.trim().split(/\s+/)
    const [gpu, pid, time] = [cells[gpuAt ?? -1], cells[pidAt ?? -1], cells[timeAt ?? -1]]
    if (/^\d{1,3}$/.test(time ?? '') && /^\d+$/.test(pid ?? '')) {
      times.set(`${gpu} ${pid}`, Number(time))
    }
  }
  return times
}
