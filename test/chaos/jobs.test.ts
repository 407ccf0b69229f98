import { describe, expect, test } from 'vitest'
import { SeededRandom } from '../support/seeded-random.ts'
import { drawJobs, type PlannedJob, pipelineOf, withCancels } from './jobs.ts'

/** By the code of before. */
const OF_SEED_1 = [
  [
    { kind: 'fails', seconds: 3 },
    { kind: 'ok', seconds: 18 }
  ],
  [{ kind: 'ok', seconds: 7 }],
  [
    { kind: 'ok', seconds: 2 },
    { kind: 'ok', seconds: 1 }
  ]
]
/** That the cancel of one job takes of its stream. */
const NUMBERS_OF_ONE = 9

const pushes = (seed: number, count: number): readonly (readonly PlannedJob[])[] => {
  const random = new SeededRandom(seed)
  return Array.from({ length: count }, () => drawJobs(random))
}

const cancelled = (seed: number, count: number): readonly PlannedJob[] => {
  const random = new SeededRandom(seed)
  return pushes(1, count).flatMap((jobs) => withCancels(jobs, random))
}

test('a seed draws the jobs that it drew before there were cancels', () => {
  expect(pushes(1, 3)).toEqual(OF_SEED_1)
})

describe('cancels', () => {
  test('are the same for the same seed, and others for another', () => {
    expect(cancelled(7, 50)).toEqual(cancelled(7, 50))
    expect(cancelled(7, 50)).not.toEqual(cancelled(8, 50))
  })

  test('change nothing of a job but how long it is, and of those alone that they are for', () => {
    const plain = pushes(1, 50).flat()

    for (const [index, job] of cancelled(7, 50).entries()) {
      expect(job.kind).toBe(plain[index]?.kind)
      if (job.cancel === undefined) expect(job).toEqual(plain[index])
    }
  })

  test('of one job do not hang on whether the one before it is cancelled', () => {
    const job: PlannedJob = { kind: 'ok', seconds: 1 }
    const firsts = new Set<boolean>()
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const [first, second] = withCancels([job, job], new SeededRandom(seed))
      firsts.add(first?.cancel === undefined)
      const rest = new SeededRandom(seed)
      for (let drawn = 0; drawn < NUMBERS_OF_ONE; drawn += 1) rest.next()

      expect(withCancels([job], rest)).toEqual([second])
    }
    expect(firsts.size).toBe(2)
  })

  test('are of every sort: point, door, grace, and what the script does at SIGTERM', () => {
    const cancels = cancelled(7, 200).flatMap(({ cancel }) => cancel ?? [])
    const sorts = (of: (one: (typeof cancels)[number]) => unknown) => new Set(cancels.map(of)).size

    expect(sorts(({ point }) => point)).toBe(2)
    expect(sorts(({ by }) => by)).toBe(2)
    expect(sorts(({ twice }) => twice)).toBe(2)
    expect(sorts(({ graceMs }) => graceMs)).toBe(5)
    expect(sorts(({ onTerm }) => onTerm)).toBe(4)
  })
})

test('a script traps SIGTERM as its job says, and only where it is to be cancelled', () => {
  const [first, second] = cancelled(7, 200).filter(({ cancel }) => cancel?.onTerm === 'ignores')

  expect(pipelineOf([first, second].flatMap((job) => job ?? []))).toContain(`trap '' TERM`)
  expect(pipelineOf(pushes(1, 50).flat())).not.toContain('trap')
})
