/** What a job took of its GPUs, all of them together, over all looks at them. */
export interface GpuUseSummary {
  /** Looks, 5 s apart. */
  readonly samples: number
  /** 0 to 100 of all their time; undefined where no driver says it. */
  readonly busyPeakPercent: number | undefined
  readonly busyMeanPercent: number | undefined
  readonly memoryPeakBytes: number | undefined
  readonly memoryMeanBytes: number | undefined
}
