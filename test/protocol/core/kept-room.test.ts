import { describe, expect, test } from 'vitest'
import type { Advertisement, Capacity } from '../../../protocol/core/advertisement.ts'
import { keptRooms } from '../../../protocol/core/kept-room.ts'
import { ROOM_KEPT_AFTER_MS } from '../../../protocol/core/placement-limits.ts'
import { GIB, sampleView } from '../../support/arbitrary-board.ts'
import { BoardRuns, type Sketch } from '../../support/board-runs.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const digest = plainDigest()
const SIZE: Capacity = { cpuMilli: 16_000, memoryBytes: 64 * GIB, diskBytes: 400 * GIB, jobs: 16 }
const LARGE = { name: 'large', resources: { cpuMilli: 16_000, memoryBytes: 8 * GIB } }
const LATE = ROOM_KEPT_AFTER_MS

const host = (peerId: string, freeCpu: number, patch: Partial<Advertisement> = {}) => {
  const free = { ...SIZE, cpuMilli: freeCpu }
  return sampleView({ peerId, name: peerId, capacity: SIZE, free, ...patch })
}
const busy = (count: number) => Array.from({ length: count }, (_, at) => host(`h${at}`, 1_000))

function waiting(...jobs: readonly Sketch[]) {
  const runs = new BoardRuns()
  for (const [at, job] of jobs.entries()) runs.run(`R${at}`, [job], { issuedAtMs: at })
  return runs.board.openJobs()
}

describe('room is kept', () => {
  test('for a job that has waited, by two hosts that could take it, and by none before', () => {
    const jobs = waiting(LARGE)
    expect(keptRooms(jobs, busy(8), LATE - 1, digest).size).toBe(0)
    const kept = keptRooms(jobs, busy(8), LATE, digest)
    expect([...kept.values()]).toEqual(['R0.0', 'R0.0'])
    const small = { ...SIZE, cpuMilli: 8_000 }
    const unfit = Array.from({ length: 8 }, (_, at) => host(`s${at}`, 8_000, { capacity: small }))
    expect(keptRooms(jobs, unfit, LATE, digest).size).toBe(0)
  })

  test('by those that have most of it already, so that they stay the same ones', () => {
    const agents = [...busy(6), host('half', 8_000), host('nearly', 15_000)]
    expect([...keptRooms(waiting(LARGE), agents, LATE, digest).keys()]).toEqual(['nearly', 'half'])
  })

  test('until the job has it: whoever has room gives it to nobody younger', () => {
    const agents = [...busy(7), host('whole', 16_000)]
    expect([...keptRooms(waiting(LARGE), agents, LATE, digest).keys()][0]).toBe('whole')
  })

  test('by no more than a quarter of the hosts, for the oldest jobs, each by hosts of its own', () => {
    const jobs = waiting(LARGE, LARGE, LARGE, LARGE)
    const kept = keptRooms(jobs, busy(16), 2 * LATE, digest)
    expect([...kept.values()]).toEqual(['R0.0', 'R0.0', 'R1.0', 'R1.0'])
    expect(keptRooms(jobs, busy(3), 2 * LATE, digest).size).toBe(1)
    expect(keptRooms(jobs, busy(200), 2 * LATE, digest).size).toBe(8)
  })

  test('by hosts alone that take jobs', () => {
    const agents = busy(4).map((view) => ({ ...view, observed: 'suspect' as const }))
    expect(keptRooms(waiting(LARGE), agents, LATE, digest).size).toBe(0)
  })

  test('by the hosts that it prefers, as long as it waits for those', () => {
    const prefer = { disk: 'nvme' }
    const agents = [...busy(12), host('nvme', 0, { labels: prefer })]
    const kept = (nowMs: number): readonly string[] => {
      const jobs = waiting({ ...LARGE, prefer, fallbackAfterMs: 2 * LATE })
      return [...keptRooms(jobs, agents, nowMs, digest).keys()]
    }
    expect(kept(LATE)).toEqual(['nvme'])
    expect(kept(3 * LATE)).not.toContain('nvme')
  })
})
