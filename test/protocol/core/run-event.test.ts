import { expect, test } from 'vitest'
import { isRunEvent, RUN_EVENTS } from '../../../protocol/core/run-event.ts'

test('what starts a run has a name, spelled as the pipeline file spells it where it has it', () => {
  expect(RUN_EVENTS).toEqual(['push', 'tag', 'pull_request', 'manual', 'schedule', 'workflow_job'])
  expect(RUN_EVENTS.every(isRunEvent)).toBe(true)
  for (const other of ['', 'Push', 'merge_request', 'constructor']) {
    expect(isRunEvent(other), other).toBe(false)
  }
})
