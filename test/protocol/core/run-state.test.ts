import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobPhase } from '../../../protocol/core/job.ts'
import { runStatusOf } from '../../../protocol/core/run-state.ts'

const OK = { error: undefined }

test.each<readonly [readonly JobPhase[], string]>([
  [['succeeded', 'succeeded'], 'succeeded'],
  [['succeeded', 'skipped'], 'succeeded'],
  [['skipped'], 'succeeded'],
  [['succeeded', 'queued'], 'queued'],
  [['queued', 'leased'], 'running'],
  [['leased', 'cancelled'], 'cancelled'],
  [['cancelled', 'failed', 'leased'], 'failed'],
  [['failed', 'errored', 'cancelled', 'leased', 'queued', 'succeeded'], 'errored']
])('jobs %j make the run %s', (phases, expected) => {
  expect(runStatusOf(OK, phases)).toBe(expected)
})

test('a run whose pipeline file is wrong is errored', () => {
  const error = { code: 'X', message: '', line: 1, column: 1, path: undefined }
  expect(runStatusOf({ error }, [])).toBe('errored')
})

test('a run without any job never looks passed', () => {
  expect(runStatusOf(OK, [])).toBe('errored')
})

const phases = fc.array(
  fc.constantFrom<JobPhase>(
    'queued',
    'leased',
    'succeeded',
    'failed',
    'errored',
    'cancelled',
    'skipped'
  ),
  { minLength: 1, maxLength: 20 }
)

test('only a run of succeeded and skipped jobs has succeeded, in any order', () => {
  fc.assert(
    fc.property(phases, (all) => {
      const isGreen = all.every((phase) => phase === 'succeeded' || phase === 'skipped')
      expect(runStatusOf(OK, all) === 'succeeded').toBe(isGreen)
      expect(runStatusOf(OK, all.toReversed())).toBe(runStatusOf(OK, all))
    })
  )
})
