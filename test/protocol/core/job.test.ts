import { expect, test } from 'vitest'
import type { JobPhase } from '../../../protocol/core/job.ts'
import { isTerminal } from '../../../protocol/core/job.ts'

test.each<[JobPhase, boolean]>([
  ['queued', false],
  ['leased', false],
  ['succeeded', true],
  ['failed', true],
  ['errored', true],
  ['cancelled', true],
  ['skipped', true]
])('a job that is %s has ended: %s', (phase, ended) => {
  expect(isTerminal(phase)).toBe(ended)
})
