import { describe, expect, test } from 'vitest'
import { FIRST_LOOK_RUNS_MAX } from '../../../protocol/core/history-limits.ts'
import type { SyncItem } from '../../../protocol/core/messages.ts'
import { FirstLook } from '../../../protocol/mesh/first-look.ts'
import type { Lead } from '../../../protocol/mesh/lead-queue.ts'

let seq = 0

/** Shows one register, and gives the name of what is to be followed at once. */
function shown(look: FirstLook, register: string, phase: SyncItem['phase'], witnessEpoch = 1) {
  seq += 1
  const fields = { register, witnessEpoch, version: 2, annHash: 'hash' }
  const lead: Lead = { ...fields, peers: ['a'], source: 'sync', tries: 0 }
  const now = look.take({ ...fields, seq, phase }, lead)
  return now === undefined ? undefined : nameOf(now)
}

const nameOf = ({ register, witnessEpoch }: Lead): string => `${register}@${witnessEpoch}`

function finished(look: FirstLook) {
  const { open, past } = look.finish()
  return {
    open: open.map(nameOf),
    past: past.map(({ lead, ended }) => [nameOf(lead), [...ended.values()].map(nameOf)])
  }
}

describe('the first look at a store', () => {
  test('follows jobs at once that are open, and leaves what has ended for later', () => {
    const look = new FirstLook()

    expect(shown(look, 'R1', 'run')).toBeUndefined()
    expect(shown(look, 'R1.0', 'queued')).toBe('R1.0@1')
    expect(shown(look, 'R1.1', 'leased')).toBe('R1.1@1')
    for (const phase of ['succeeded', 'failed', 'errored', 'cancelled', 'skipped'] as const) {
      expect(shown(look, 'R2.0', phase), phase).toBeUndefined()
    }
  })

  test('finds the runs of which nothing is known to have ended', () => {
    const look = new FirstLook()
    shown(look, 'NEW', 'run')
    shown(look, 'OLD', 'run')
    shown(look, 'OLD.1', 'succeeded')

    expect(finished(look)).toEqual({ open: ['NEW@1'], past: [['OLD@1', ['OLD.1@1']]] })
  })

  test('has past runs in the order in which they ended', () => {
    const look = new FirstLook()
    for (const run of ['A', 'B', 'C']) shown(look, run, 'run')
    for (const job of ['B.0', 'A.0', 'C.0', 'B.1']) shown(look, job, 'failed')

    expect(finished(look).past.map(([run]) => run)).toEqual(['A@1', 'C@1', 'B@1'])
  })

  test('knows a run by its jobs where its own register is elsewhere', () => {
    const look = new FirstLook()
    shown(look, 'R.0', 'succeeded', 3)

    expect(finished(look).past).toEqual([['R.0@3', ['R.0@3']]])
  })

  test('takes a job where it was last, and a run from its latest epoch', () => {
    const look = new FirstLook()
    shown(look, 'R', 'run', 2)
    shown(look, 'R', 'run', 1)
    shown(look, 'R.0', 'succeeded', 3)
    shown(look, 'R.0', 'moved', 2)

    expect(finished(look).past).toEqual([['R@2', ['R.0@3']]])
  })

  test('learns nothing from a register that was sealed', () => {
    const look = new FirstLook()

    expect(shown(look, 'R', 'superseded')).toBeUndefined()
    expect(finished(look)).toEqual({ open: [], past: [] })
  })

  test('sorts so many runs and no more: the others are followed at once', () => {
    const look = new FirstLook()
    for (let run = 0; run < FIRST_LOOK_RUNS_MAX; run += 1) shown(look, `R${run}`, 'run')

    expect(shown(look, 'MORE', 'run')).toBe('MORE@1')
    expect(shown(look, 'MORE.0', 'succeeded')).toBe('MORE.0@1')
    expect(shown(look, 'R0.0', 'succeeded')).toBeUndefined()
  })
})
