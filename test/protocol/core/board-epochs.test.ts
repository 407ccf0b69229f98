import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Board } from '../../../protocol/core/board.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import { landingOf } from '../../../protocol/core/move.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import { SampleJob, sampleRun } from '../../support/arbitrary-board.ts'

const RUN = 'AAAAAAAAAA'
const JOB = `${RUN}.0`

/** What is chosen of one job, with the witness epoch of the register that holds it. */
function twiceMoved(): readonly (readonly [JobState, number])[] {
  const job = new SampleJob(JOB)
  const states: [JobState, number][] = []
  const note = (state: JobState | undefined, epoch: number) => {
    if (state !== undefined) states.push([state, epoch])
  }
  const move = (from: number, to: number) => {
    note(job.apply('peer-onyx', { kind: 'move', witnessEpoch: to, reason: 'witness_gone' }), from)
    job.state = job.state && landingOf(job.state)
    note(job.state, to)
  }
  note(job.state, 1)
  note(job.claim('peer-onyx'), 1)
  move(1, 2)
  note(job.release(true), 2)
  move(2, 4)
  note(job.claim('peer-basalt'), 4)
  note(job.complete('succeeded'), 4)
  return states
}

function generation(witnessEpoch: number, annHash: string): SealedAnnouncement {
  const sealed = sampleRun({ runId: RUN, issuedAtMs: witnessEpoch })
  return { ...sealed, annHash, announcement: { ...sealed.announcement, witnessEpoch } }
}

test('a board follows a job from register to register, in whatever order it hears', () => {
  const states = twiceMoved()
  fc.assert(
    fc.property(fc.shuffledSubarray([...states, ...states], { minLength: 1 }), (some) => {
      const board = new Board()
      board.addRun(sampleRun({ runId: RUN }), 0)
      for (const [state, witnessEpoch] of some) board.foldJob(state, 0, witnessEpoch)
      const version = Math.max(...some.map(([state]) => state.version))
      const last = states.findLast(([state]) => state.version === version)
      const shown = board.job(JOB)
      expect(shown).toMatchObject({ state: { version }, witnessEpoch: last?.[1] })
      // A stop-sign is shown as the job that it sends on, never by itself.
      expect(shown?.state?.phase).toBe(last?.[0].phase)
    })
  )
})

test('a run that begins anew takes the place of the one that was given up, and no other', () => {
  const board = new Board()
  const isLost = (witnessEpoch: number) => witnessEpoch === 1
  const [first, second, third] = [1, 2, 3].map((epoch) => generation(epoch, `hash${epoch}`))
  if (first === undefined || second === undefined || third === undefined) throw new Error('three')
  expect(board.addRun(first, 0)).toBe(true)
  const state = { ...new SampleJob(JOB).claim('peer-onyx'), annHash: first.annHash }
  expect(board.foldJob(state, 0)).toBe(true)

  // Not while its epoch stands, nor one of the same or an earlier epoch.
  expect(board.addRun(second, 0)).toBe(false)
  expect(board.addRun({ ...first, annHash: 'other' }, 0, isLost)).toBe(false)
  expect(board.addRun(second, 0, isLost)).toBe(true)
  expect(board.addRun(first, 0, isLost)).toBe(false)
  expect(board.addRun(third, 0, isLost)).toBe(false)

  expect(board.size).toBe(1)
  expect(board.runs().map(({ sealed }) => sealed.annHash)).toEqual(['hash2'])
  expect(board.job(JOB)).toMatchObject({ state: undefined, witnessEpoch: 2 })
  expect(board.runStatus(RUN)).toBe('queued')
  // What is still said of the first one is of another job.
  expect(board.foldJob(state, 0)).toBe(false)
})
