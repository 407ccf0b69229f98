import { fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { addCounts, type Counts } from './counts.ts'
import { type Addition, withAddition } from './options.ts'
import { SCHEDULES, type ScheduleName } from './schedules.ts'
import { World, type WorldResult } from './world.ts'

/** Of which kind all worlds of a run are. */
export interface Worlds {
  readonly schedule: ScheduleName | undefined
  readonly additions: readonly Addition[]
}

/** Seeds that one worker runs in one go. */
export interface Range {
  readonly first: number
  readonly count: number
  /** As drawn where there is none. */
  readonly worlds?: Worlds | undefined
}

/** What some seeds came to. */
export interface Batch {
  readonly seeds: number
  readonly events: number
  readonly simulatedMs: number
  readonly jobs: number
  readonly epochMax: number
  readonly counts: Counts
  readonly broken: readonly Pick<WorldResult, 'seed' | 'violation'>[]
}

const SEEDS_A_BATCH = 25

export function worldOf(seed: number, worlds?: Worlds): World {
  if (worlds === undefined) return new World(seed)
  const { schedule, additions } = worlds
  return new World(seed, (drawn) => {
    const made = schedule === undefined ? drawn : SCHEDULES[schedule](drawn)
    return additions.reduce(withAddition, made)
  })
}

export function batchesOf(first: number, count: number, worlds?: Worlds): Range[] {
  const ranges: Range[] = []
  for (let at = 0; at < count; at += SEEDS_A_BATCH) {
    ranges.push({ first: first + at, count: Math.min(SEEDS_A_BATCH, count - at), worlds })
  }
  return ranges
}

export function runBatch({ first, count, worlds }: Range): Batch {
  const seeds = Array.from({ length: count }, (_, index) => first + index)
  const results = seeds.map((seed) => worldOf(seed, worlds).run())
  const sum = (of: (result: WorldResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  return {
    seeds: count,
    events: sum(({ events }) => events),
    simulatedMs: sum(({ simulatedMs }) => simulatedMs),
    jobs: sum(({ jobs }) => jobs),
    epochMax: Math.max(...results.map(({ epochMax }) => epochMax)),
    counts: addCounts(results.map(({ counts }) => counts)),
    broken: results
      .filter(({ violation }) => violation !== undefined)
      .map(({ seed, violation }) => ({ seed, violation }))
  }
}

/** All ranges over so many processes; few are run here, where a process would cost more. */
export async function runBatches(
  ranges: readonly Range[],
  workers: number,
  onBatch: (batch: Batch) => void
): Promise<void> {
  if (ranges.length <= 1 || workers <= 1) {
    for (const range of ranges) onBatch(runBatch(range))
    return
  }
  const left = [...ranges]
  const work = async (): Promise<void> => {
    const child = fork(resolve(import.meta.dirname, 'worker.ts'), { execArgv: ['--import', 'tsx'] })
    const ended = once(child, 'exit')
    for (let range = left.shift(); range !== undefined; range = left.shift()) {
      child.send(range)
      const answer = await Promise.race([once(child, 'message'), ended.then(() => undefined)])
      if (answer === undefined) throw new Error(`a worker died at seed ${range.first}`)
      onBatch(answer[0] as Batch)
    }
    child.disconnect()
    await ended
  }
  await Promise.all(Array.from({ length: workers }, work))
}
