import prettyBytes from 'pretty-bytes'
import prettyMs from 'pretty-ms'
import type { PeerView } from '../control/contract.ts'

type Gpus = PeerView['gpus']
type GpuView = Gpus[number]

/** Words that each of a vendor's names begins with and nobody needs in a table. */
const PREFIX = /^(?:NVIDIA|AMD|Intel(?:\(R\))?) /

/** `2x H100 80GB HBM3, 1 ill`; `-` for a host without one. */
export function gpusCell(gpus: Gpus): string {
  const counts = new Map<string, number>()
  for (const { model, health } of gpus) {
    const name = model.replace(PREFIX, '')
    if (health === 'ok') counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const well = [...counts].map(([name, count]) => (count === 1 ? name : `${count}x ${name}`))
  const ill = gpus.filter(({ health }) => health === 'unhealthy').length
  const lost = gpus.filter(({ health }) => health === 'lost').length
  const others = [...(ill > 0 ? [`${ill} ill`] : []), ...(lost > 0 ? [`${lost} lost`] : [])]
  return [...well, ...others].join(', ') || '-'
}

/** One row a GPU, and one for each reason why it takes no job. */
export function renderGpus(gpus: Gpus): readonly [string, string][] {
  return gpus.flatMap((gpu): [string, string][] => [
    ['gpu', gpuLine(gpu)],
    ...useLines(gpu),
    ...lookLines(gpu),
    ...gpu.reasons.map((reason): [string, string] => ['', `${gpu.health}: ${reason}`])
  ])
}

/** As its agent said last. */
function lookLines({ use }: GpuView): readonly [string, string][] {
  if (use === null) return []
  const ago = prettyMs(use.ageMs, { compact: true })
  return [['', `in use: ${figures(use)}, ${ago} ago`]]
}

/** Whose it is, and how much of it: a share is of several jobs. */
function useLines({ shares, held, jobs }: GpuView): readonly [string, string][] {
  const whose = jobs.length === 0 ? 'free' : `held by ${jobs.join(', ')}`
  if (shares === 1) return jobs.length === 0 ? [] : [['', whose]]
  const taken = jobs.length === 0 ? '' : `, ${Math.round(held * 100)} % of it`
  return [['', `shared by at most ${shares} jobs: ${whose}${taken}`]]
}

function gpuLine(gpu: GpuView): string {
  const { id, model, memoryBytes, architecture, driver, pci, numaNode, parent } = gpu
  const memory = memoryBytes === null ? [] : [prettyBytes(memoryBytes, { binary: true })]
  return [
    model,
    ...(gpu.sharedMemory ? ["the host's memory"] : memory),
    ...(architecture === '' ? [] : [architecture]),
    ...(driver === '' ? [] : [`driver ${driver}`]),
    ...(pci === '' ? [] : [pci]),
    ...(numaNode === null ? [] : [`NUMA node ${numaNode}`]),
    id,
    ...(parent === null ? [] : [`part of ${parent}`])
  ].join(', ')
}

/** One row a GPU that was looked at, and one for each job that has it. */
export function renderGpuUse(uses: PeerView['gpuUse']): readonly [string, string][] {
  return uses.flatMap((use): [string, string][] => [
    ['gpu use', `${use.gpu}: ${figures(use)}`],
    ...use.jobs.map((job): [string, string] => ['', `job ${job.job}: ${figures(job)}`])
  ])
}

function figures(use: UseFigures): string {
  const { busyPercent, memoryBytes, powerWatts = null, temperature = null } = use
  return [
    busyPercent === null ? 'time not known' : `${busyPercent} %`,
    memoryBytes === null ? 'memory not known' : prettyBytes(memoryBytes, { binary: true }),
    ...(powerWatts === null ? [] : [`${powerWatts} W`]),
    ...(temperature === null ? [] : [`${temperature} C`])
  ].join(', ')
}

interface UseFigures {
  readonly busyPercent: number | null
  readonly memoryBytes: number | null
  readonly powerWatts?: number | null
  readonly temperature?: number | null
}
