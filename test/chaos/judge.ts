/** One container by the observer's word; milliseconds since the machine's boot. */
export interface SeenContainer {
  readonly container: string
  /** Which engine ran it. */
  readonly engine: number
  readonly job: string
  readonly peer: string
  readonly epoch: number
  /** By the kernel: when its process 1 began, and when it was last looked at alive. */
  readonly startMs?: number
  readonly aliveMs?: number
  /** By the engine's events; of those that were gone before anybody could look, all there is. */
  readonly toldStartMs?: number
  readonly toldEndMs?: number
}

export interface Overlap {
  readonly job: string
  readonly byMs: number
  readonly first: SeenContainer
  readonly second: SeenContainer
}

export interface Loss {
  readonly peer: string
  readonly atMs: number
}

/** The kernel counts starts in hundredths of a second, rounded down. */
const GRAIN_MS = 10

export interface Life {
  readonly seen: SeenContainer
  readonly startMs: number
  readonly endMs: number
}

/** Pairs of containers of one job alive at one instant; none, if the mesh keeps its word. */
export function overlapsOf(containers: readonly SeenContainer[]): readonly Overlap[] {
  return [...byJob(containers)].flatMap(([job, lives]) =>
    lives.flatMap((first, index) =>
      lives.slice(index + 1).flatMap((second) => {
        // In order of their starts: the first one had to be over before the second began.
        const byMs = Math.min(first.endMs, second.endMs) - second.startMs - GRAIN_MS
        return byMs > 0 ? [{ job, byMs, first: first.seen, second: second.seen }] : []
      })
    )
  )
}

/** Containers of one job that do not rise in epoch with their starts: two of one attempt. */
export function epochProblems(containers: readonly SeenContainer[]): readonly string[] {
  return [...byJob(containers)].flatMap(([job, lives]) => {
    const epochs = lives.map(({ seen }) => seen.epoch)
    const rises = epochs.every((epoch, index) => epoch > (epochs[index - 1] ?? 0))
    return rises ? [] : [`${job}: containers of epochs ${epochs.join(', ')}`]
  })
}

/** Of each job that was running on a lost host: milliseconds to the start of its next container. */
export function takeOvers(
  containers: readonly SeenContainer[],
  losses: readonly Loss[]
): readonly number[] {
  return [...byJob(containers).values()].flatMap((lives) =>
    lives.flatMap((life, index) => {
      const next = lives[index + 1]
      // With a second loss in between it is not the first one that is measured.
      const loss = losses
        .filter(({ peer, atMs }) => peer === life.seen.peer && isWithin(life, atMs))
        .at(-1)
      return next === undefined || loss === undefined ? [] : [next.startMs - loss.atMs]
    })
  )
}

/** How many had a life that somebody looked at or told of, from its start to its end. */
export function judged(containers: readonly SeenContainer[]): number {
  return containers.filter((seen) => lifeOf(seen) !== undefined).length
}

/** In order of their starts; of one job, its attempts. */
export function livesOf(containers: readonly SeenContainer[]): readonly Life[] {
  return containers.flatMap((seen) => lifeOf(seen) ?? []).toSorted((a, b) => a.startMs - b.startMs)
}

function isWithin({ startMs, endMs }: Life, atMs: number): boolean {
  return atMs >= startMs && atMs <= endMs
}

function byJob(containers: readonly SeenContainer[]): ReadonlyMap<string, readonly Life[]> {
  const jobs = new Map<string, Life[]>()
  for (const seen of containers) {
    const life = lifeOf(seen)
    if (life !== undefined) jobs.set(seen.job, [...(jobs.get(seen.job) ?? []), life])
  }
  for (const lives of jobs.values()) lives.sort((a, b) => a.startMs - b.startMs)
  return jobs
}

/** What the kernel said where it was asked in time, else what the engine said. */
function lifeOf(seen: SeenContainer): Life | undefined {
  const { startMs, aliveMs, toldStartMs, toldEndMs } = seen
  if (startMs !== undefined) return { seen, startMs, endMs: aliveMs ?? startMs }
  if (toldStartMs === undefined || toldEndMs === undefined) return undefined
  return { seen, startMs: toldStartMs, endMs: toldEndMs }
}
