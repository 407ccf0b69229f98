/** `2`, `0.25`: cores, for people. */
export function formatCpu(cpuMilli: number): string {
  return String(cpuMilli / 1_000)
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `512MiB`, `1.5GiB`, rounded down: what is offered is never shown as more than it is. */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  const amount = Math.floor((bytes / 1_024 ** power) * 10) / 10
  return `${amount}${UNITS[power] ?? 'B'}`
}
