import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { EMULATED_TIMES } from './jobs.ts'
import { doneBy, type Packing, type Placed } from './placed.ts'

/** Jain's index: 1 where all have the same, 1/n where one has all. */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0)
  const squares = shares.reduce((a, b) => a + b * b, 0)
  return (sum * sum) / (shares.length * squares)
}

/**
 * Core milliseconds that each repository had, from when all jobs were announced until the first of
 * them had none left that waited.
 */
export function sharesOf(placed: readonly Placed[]): readonly number[] {
  const of = new Map<string, Placed[]>()
  for (const one of placed) {
    const { repository } = one.work
    of.set(repository, [...(of.get(repository) ?? []), one])
  }
  const each = [...of.values()]
  const fromMs = Math.max(...placed.map(announced))
  const toMs = Math.min(...each.map((own) => Math.max(...own.map(({ startMs }) => startMs))))
  return each.map((own) => {
    return own.reduce((sum, { startMs, endMs, work }) => {
      const ms = Math.max(0, Math.min(endMs, toMs) - Math.max(startMs, fromMs))
      return sum + ms * work.spec.resources.cpuMilli
    }, 0)
  })
}

/** Share of all cores of the mesh that jobs hold, every so many milliseconds. */
export function usesOf(
  { placed }: Packing,
  hosts: readonly Advertisement[],
  { everyMs, untilMs }: { readonly everyMs: number; readonly untilMs: number }
): readonly number[] {
  const cores = hosts.reduce((sum, { capacity }) => sum + capacity.cpuMilli, 0)
  return Array.from({ length: Math.ceil(untilMs / everyMs) }, (_, index) => {
    const atMs = (index + 0.5) * everyMs
    const held = placed
      .filter(({ startMs, endMs }) => startMs <= atMs && atMs < endMs)
      .reduce((sum, { work }) => sum + work.spec.resources.cpuMilli, 0)
    return held / cores
  })
}

/** Waits in milliseconds, shortest first. */
export function waitsOf(placed: readonly Placed[]): readonly number[] {
  return placed.map((one) => one.startMs - announced(one)).sort((a, b) => a - b)
}

export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

export function isEmulated({ startMs, endMs, work }: Placed): boolean {
  return endMs - startMs > (work.nativeMs * (1 + EMULATED_TIMES)) / 2
}

/** Jobs that ask for no GPU on hosts that have one, as a share of all that ask for none. */
export function gpuHostShare(placed: readonly Placed[], hosts: readonly Advertisement[]): number {
  const plain = placed.filter(({ work }) => work.spec.gpu === undefined)
  const beside = plain.filter(({ host }) => (hosts[host]?.gpus ?? []).length > 0)
  return beside.length / plain.length
}

/** What the mesh has done by the end of the other, as a share of what that has done. */
export function utilisation(mesh: Packing, other: Packing): number {
  return doneBy(mesh.placed, other.endMs) / doneBy(other.placed, other.endMs)
}

function announced({ work }: Placed): number {
  return work.announcedAtMs
}
