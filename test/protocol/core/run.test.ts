import { describe, expect, test } from 'vitest'
import { jobIdOf, jobIndexOf, runIdOf } from '../../../protocol/core/run.ts'

describe('names of registers', () => {
  test('a job id is its run and its index, and both can be read from it', () => {
    const id = jobIdOf('7K3QF2', 12)

    expect(id).toBe('7K3QF2.12')
    expect(runIdOf(id)).toBe('7K3QF2')
    expect(jobIndexOf(id)).toBe(12)
  })

  test('the register of a run has no index', () => {
    expect(runIdOf('7K3QF2')).toBe('7K3QF2')
    expect(jobIndexOf('7K3QF2')).toBeUndefined()
  })
})
