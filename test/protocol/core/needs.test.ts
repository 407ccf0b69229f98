import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { needsProblem } from '../../../protocol/core/needs.ts'

const jobsWith = (needs: readonly (readonly number[])[]) =>
  needs.map((each, index) => ({ index, name: `job ${index}`, needs: each }))

const graphs = fc.integer({ min: 1, max: 9 }).chain((size) => {
  const indices = [...new Array(size).keys()]
  return fc.array(fc.subarray(indices), { minLength: size, maxLength: size })
})

/** By the definition: a job that comes to itself along needs. */
function hasCycle(needs: readonly (readonly number[])[]): boolean {
  return needs.some((_, start) => {
    const seen = new Set<number>()
    const ahead = [...(needs[start] ?? [])]
    for (const index of ahead) {
      if (seen.has(index)) continue
      seen.add(index)
      ahead.push(...(needs[index] ?? []))
    }
    return seen.has(start)
  })
}

describe('the needs of a run', () => {
  test('are refused where they are a cycle, and nowhere else', () => {
    fc.assert(
      fc.property(graphs, (needs) => {
        expect(needsProblem(jobsWith(needs)) !== undefined).toBe(hasCycle(needs))
      })
    )
  })

  test('name the jobs that would never have their turn', () => {
    expect(needsProblem(jobsWith([[], [2], [1], [1], [0]]))).toBe('of jobs 1, 2, 3 are a cycle')
  })

  test.each([
    ['one that is not there', [[1]]],
    ['one twice', [[], [0, 0]]],
    ['one out of order', [[], [], [1, 0]]],
    ['one below none', [[-1]]],
    ['half a one', [[], [0.5]]]
  ])('are refused with %s', (_name, needs) => {
    expect(needsProblem(jobsWith(needs))).toMatch(/are not indices of \d jobs, ascending and once/)
  })
})
