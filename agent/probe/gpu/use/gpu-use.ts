/** How a GPU is used at one moment. Undefined is what this version of its driver does not say. */
export interface DeviceUse {
  /** 0 to 100. */
  readonly busyPercent: number | undefined
  readonly memoryBytes: number | undefined
  readonly powerWatts: number | undefined
  /** Celsius. */
  readonly temperature: number | undefined
}

/** What one process has of one GPU. */
export interface ProcessUse {
  /** As the host numbers it. */
  readonly pid: number
  readonly busyPercent: number | undefined
  readonly memoryBytes: number | undefined
}

export const UNKNOWN_USE: DeviceUse = {
  busyPercent: undefined,
  memoryBytes: undefined,
  powerWatts: undefined,
  temperature: undefined
}

/** The sum of those that are known; undefined where none is. */
export function sumOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0)
}

/** As a part of all the time that there was. */
export function percent(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(100, Math.max(0, Math.round(value)))
}
