import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GroupLimits } from './group-keeper.ts'

/** Microseconds that a share of CPU is measured over; the engine's own. */
const PERIOD_US = 100_000
const US_PER_MILLI = PERIOD_US / 1_000

export interface GroupFiles {
  readonly write: (limits: GroupLimits) => Promise<void>
  readonly read: () => Promise<GroupLimits>
}

/** Of cgroup v1, which has a folder for each controller; `swap` where the kernel counts it. */
export function filesOfV1(folderOf: (controller: string) => string, swap: boolean): GroupFiles {
  const file = (controller: string, name: string) => join(folderOf(controller), name)
  const memory = file('memory', 'memory.limit_in_bytes')
  const both = file('memory', 'memory.memsw.limit_in_bytes')
  const pids = file('pids', 'pids.max')
  const period = file('cpu', 'cpu.cfs_period_us')
  const quota = file('cpu', 'cpu.cfs_quota_us')
  return {
    write: async (limits) => {
      await writeFile(memory, String(limits.memoryBytes))
      // After the other, which may not be above it.
      if (swap) await writeFile(both, String(limits.memoryBytes))
      await writeFile(pids, String(limits.pids))
      await writeFile(period, String(PERIOD_US))
      await writeFile(quota, String(limits.cpuMilli * US_PER_MILLI))
    },
    read: async () => {
      const memories = await Promise.all([memory, ...(swap ? [both] : [])].map(numberIn))
      return {
        memoryBytes: Math.max(...memories),
        pids: await numberIn(pids),
        cpuMilli: milliOf(await numberIn(quota), await numberIn(period))
      }
    }
  }
}

/** Of cgroup v2: one folder has all. */
export function filesOfV2(folder: string, swap: boolean): GroupFiles {
  const file = (name: string) => join(folder, name)
  return {
    write: async ({ memoryBytes, pids, cpuMilli }) => {
      await writeFile(file('memory.max'), String(memoryBytes))
      if (swap) await writeFile(file('memory.swap.max'), '0')
      await writeFile(file('pids.max'), String(pids))
      await writeFile(file('cpu.max'), `${cpuMilli * US_PER_MILLI} ${PERIOD_US}`)
    },
    read: async () => {
      const [quota, period] = (await textIn(file('cpu.max'))).split(' ').map(Number)
      const swapBytes = swap ? await numberIn(file('memory.swap.max')) : 0
      return {
        memoryBytes: (await numberIn(file('memory.max'))) + swapBytes,
        pids: await numberIn(file('pids.max')),
        cpuMilli: milliOf(quota ?? Number.NaN, period ?? Number.NaN)
      }
    }
  }
}

/** `max`, and -1 for no quota, are no number that was ever asked for. */
function milliOf(quotaUs: number, periodUs: number): number {
  return Math.round((quotaUs * 1_000) / periodUs)
}

async function numberIn(path: string): Promise<number> {
  return Number(await textIn(path))
}

async function textIn(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim()
}
