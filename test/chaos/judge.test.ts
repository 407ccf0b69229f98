import { describe, expect, test } from 'vitest'
import { epochProblems, judged, overlapsOf, type SeenContainer, takeOvers } from './judge.ts'

const JOB = 'R.0'
let number = 0
const box = (parts: Partial<SeenContainer>): SeenContainer => {
  number += 1
  return { container: `c${number}`, engine: 0, job: JOB, peer: 'onyx', epoch: number, ...parts }
}

describe('two containers of one job overlap', () => {
  test('where the first was looked at alive after the second began', () => {
    const first = box({ startMs: 1_000, aliveMs: 3_050 })
    const second = box({ startMs: 3_000, aliveMs: 5_000, engine: 1 })

    expect(overlapsOf([second, first])).toEqual([{ job: JOB, byMs: 40, first, second }])
  })

  test('where one lies within the other', () => {
    const outer = box({ startMs: 1_000, aliveMs: 9_000 })

    expect(overlapsOf([outer, box({ startMs: 2_000, aliveMs: 3_000 })])).toMatchObject([
      { byMs: 990 }
    ])
  })

  test('where only the engine told of one of them', () => {
    const told = box({ toldStartMs: 2_000, toldEndMs: 2_500 })

    expect(overlapsOf([box({ startMs: 1_000, aliveMs: 3_000 }), told])).toHaveLength(1)
  })

  test('but not where one ended before the other began, nor where they are of two jobs', () => {
    const first = box({ startMs: 1_000, aliveMs: 3_000 })

    expect(overlapsOf([first, box({ startMs: 3_000, aliveMs: 4_000 })])).toEqual([])
    expect(overlapsOf([first, box({ job: 'R.1', startMs: 1_000, aliveMs: 2_000 })])).toEqual([])
  })
})

test('a second container of one epoch is a problem, a later epoch is none', () => {
  const first = box({ epoch: 1, startMs: 1_000, aliveMs: 2_000 })

  expect(epochProblems([first, box({ epoch: 2, startMs: 3_000 })])).toEqual([])
  expect(epochProblems([first, box({ epoch: 1, startMs: 3_000 })])).toEqual([
    'R.0: containers of epochs 1, 1'
  ])
})

test('a take-over is counted from the loss of the host that ran the job to the next start', () => {
  const lives = [
    box({ peer: 'onyx', startMs: 1_000, aliveMs: 4_000 }),
    box({ peer: 'basalt', startMs: 6_500, aliveMs: 9_000 })
  ]

  expect(takeOvers(lives, [{ peer: 'onyx', atMs: 3_000 }])).toEqual([3_500])
  // Lost before it had the job, and another host's loss.
  expect(takeOvers(lives, [{ peer: 'onyx', atMs: 900 }])).toEqual([])
  expect(takeOvers(lives, [{ peer: 'basalt', atMs: 3_000 }])).toEqual([])
})

test('a container that nobody saw begin and end is not counted as judged', () => {
  expect(judged([box({}), box({ toldStartMs: 1 }), box({ startMs: 1, aliveMs: 2 })])).toBe(1)
})
