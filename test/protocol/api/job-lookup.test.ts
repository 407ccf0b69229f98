import { expect, test } from 'vitest'
import { findJob } from '../../../protocol/api/job-lookup.ts'
import { Board } from '../../../protocol/core/board.ts'
import { sampleRun, sampleSpec } from '../../support/arbitrary-board.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'

const board = new Board()
const jobs = [sampleSpec({ name: 'build' }), sampleSpec({ name: 'lint' })]
board.addRun(sampleRun({ runId: RUN, issuedAtMs: 0, jobs }), 0)

test.each([`${RUN}.1`, '7K3QF2.1', '7k3qf2.1'])('%s finds its job', (id) => {
  expect(findJob(board, id).jobId).toBe(`${RUN}.1`)
})

test('an id that several jobs share is refused with all of them', () => {
  expect(() => findJob(board, '7K3QF2')).toThrow(
    expect.objectContaining({
      code: 'JOB_AMBIGUOUS',
      facts: { id: '7K3QF2', candidates: '7K3QF2.0, 7K3QF2.1' }
    })
  )
})

test.each(['', 'x', '7K3QF2.2', 'ZZZZZZ.0', `${RUN}.1.1`])('"%s" is no known job', (id) => {
  expect(() => findJob(board, id)).toThrow(expect.objectContaining({ code: 'JOB_UNKNOWN' }))
})
