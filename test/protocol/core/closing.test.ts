import { expect, test } from 'vitest'
import type { Closing } from '../../../protocol/core/closing.ts'
import { takesJobs } from '../../../protocol/core/observation.ts'
import { sampleView } from '../../support/arbitrary-board.ts'

test('an agent that is closed takes no jobs, by its hours or by its load', () => {
  const closed = (closing: Closing | undefined) => takesJobs(sampleView({ closing }))
  expect(closed({ by: 'hours', text: 'later' })).toBe(false)
  expect(closed({ by: 'load', text: 'busy' })).toBe(false)
  expect(closed(undefined)).toBe(true)
})
