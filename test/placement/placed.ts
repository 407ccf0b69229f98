import type { Work } from './jobs.ts'

/** Where and when one job ran. */
export interface Placed {
  readonly work: Work
  readonly host: number
  readonly startMs: number
  readonly endMs: number
}

/** What a mesh of hosts did with all of its jobs. */
export interface Packing {
  readonly placed: readonly Placed[]
  readonly endMs: number
}

/** Core milliseconds of native work, as if no emulator had taken any. */
export function coreMs({ spec, nativeMs }: Work): number {
  return spec.resources.cpuMilli * nativeMs
}

/** Share of all native work that was done by then; of a job that runs the part that has run. */
export function doneBy(placed: readonly Placed[], atMs: number): number {
  let [done, all] = [0, 0]
  for (const { work, startMs, endMs } of placed) {
    const whole = coreMs(work)
    all += whole
    const ran = Math.min(Math.max(0, atMs - startMs), endMs - startMs)
    done += (whole * ran) / Math.max(1, endMs - startMs)
  }
  return done / all
}
