import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { claimable } from '../../../agent/claim/candidates.ts'
import type { BoardJob } from '../../../protocol/core/board-job.ts'
import { conditionOf } from '../../../protocol/core/conditions.ts'
import { keptRooms } from '../../../protocol/core/kept-room.ts'
import type { AgentView } from '../../../protocol/core/observation.ts'
import { isCandidate } from '../../../protocol/core/placement.ts'
import { ROOM_KEPT_AFTER_MS } from '../../../protocol/core/placement-limits.ts'
import type { JobSpec } from '../../../protocol/core/run.ts'
import type { Trust } from '../../../protocol/core/trust.ts'
import { Turns } from '../../../protocol/core/turns.ts'
import { type Waiting, waitingOf } from '../../../protocol/core/waiting.ts'
import {
  arbitraryAgents,
  arbitrarySpec,
  GIB,
  sampleSpec,
  sampleView
} from '../../support/arbitrary-board.ts'
import { BoardRuns } from '../../support/board-runs.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const digest = plainDigest()
const LARGE = { cpuMilli: 4_000, memoryBytes: GIB }

function waitingIn(runs: BoardRuns, jobId: string, agents: readonly AgentView[], nowMs: number) {
  const open = runs.board.openJobs()
  const turns = new Turns(open, runs.board, nowMs)
  const queue = open.filter((job) => turns.holdOf(job) === undefined)
  const view = { agents, queue, turns, board: runs.board, wallMs: nowMs, digest }
  const waiting = waitingOf(runs.job(jobId), view)
  if (waiting === undefined) throw new Error(`${jobId} does not wait`)
  return { waiting, open, queue }
}

function runsOf(
  spec: JobSpec,
  older: readonly Partial<JobSpec>[] = [],
  trust: Trust = 'trusted'
): BoardRuns {
  const runs = new BoardRuns()
  for (const [index, one] of older.entries()) runs.run(`OLD${index}`, [{ name: 'old', ...one }])
  return runs.run('R', [{ ...spec, name: 'build' }], { issuedAtMs: 1, trust })
}

/** The host as it is once time has done what time alone does. */
function later(view: AgentView): AgentView {
  const { advertisement, observed } = view
  const { capacity, closing: _closing, gpusHeld: _held, ...rest } = advertisement
  const comes = observed === 'starting' || observed === 'suspect'
  const settled = { ...rest, capacity, free: capacity, closing: undefined }
  return { ...view, advertisement: settled, observed: comes ? 'idle' : observed }
}

const specs = fc.tuple(arbitrarySpec, fc.option(fc.constant({ site: 'a' }), { nil: undefined }))

test('of 1 000 random meshes why says what placement does, host by host', () => {
  fc.assert(
    fc.property(
      specs,
      fc.constantFrom('trusted', 'untrusted'),
      arbitraryAgents,
      fc.boolean(),
      fc.constantFrom(2, ROOM_KEPT_AFTER_MS + 1, 10 * ROOM_KEPT_AFTER_MS),
      ([drawn, prefer], trust, agents, isOvertaken, nowMs) => {
        const spec = { ...drawn, prefer }
        const runs = runsOf(spec, isOvertaken ? [{ resources: LARGE }] : [], trust)
        const job = runs.job('R.0')
        const { waiting, open, queue } = waitingIn(runs, 'R.0', agents, nowMs)
        const kept = keptRooms(queue, agents, nowMs, digest)
        for (const view of agents) {
          const { peerId, free, gpusHeld = [] } = view.advertisement
          const host = waiting.hosts.find((one) => one.peerId === peerId)
          const isLasting = (name: string): boolean => name !== 'preferred' && name !== 'kept room'
          const rows = host?.requirements ?? []
          const lasting = rows.filter(({ requirement }) => isLasting(requirement))
          expect(lasting.every(({ met }) => met)).toBe(isCandidate(job, view))
          expect(host?.resolves).toBe(isCandidate(job, later(view)))

          const keptJob: BoardJob | undefined = queue.find((one) => one.jobId === kept.get(peerId))
          const look = { board: runs.board, open, agents, nowMs, kept: keptJob }
          const own = { peerId, offer: view.advertisement, free, gpusHeld }
          const { jobs } = claimable(
            look,
            own,
            () => false,
            () => 0
          )
          const claims = jobs.some(({ jobId }) => jobId === 'R.0')
          const isUp = view.observed === 'idle' || view.observed === 'busy'
          expect(host?.takes).toBe(claims && isUp && view.advertisement.closing === undefined)
        }
        const condition = conditionOf(job, agents, queue)
        expect(waiting.resolves).toBe(condition.resolves)
        expect(waiting.fix === '').toBe(waiting.resolves)
      }
    ),
    { numRuns: 1_000 }
  )
})

function hostOf(waiting: Waiting, name: string) {
  const host = waiting.hosts.find((one) => one.name === name)
  const rows = host?.requirements ?? []
  return { ...host, row: (what: string) => rows.find(({ requirement }) => requirement === what) }
}

describe('a job that waits is told', () => {
  const onyx = sampleView({ name: 'onyx', labels: { gpu: 'a4000' } })

  test('what each host lacks, whether time will mend it, and what would', () => {
    const full = { cpuMilli: 0, memoryBytes: 8 * GIB, diskBytes: 40 * GIB, jobs: 1 }
    const busy = sampleView({ peerId: 'p2', name: 'basalt', labels: { gpu: 'h100' }, free: full })
    const off = sampleView({ peerId: 'p3', name: 'slate', state: 'draining' })
    const runs = runsOf({ ...sampleSpec(), labels: { gpu: 'h100' } })
    const { waiting } = waitingIn(runs, 'R.0', [onyx, busy, off], 2)

    expect(waiting.hosts.map(({ name }) => name)).toEqual(['basalt', 'onyx', 'slate'])
    expect([waiting.resolves, waiting.fix]).toEqual([true, ''])
    const basalt = hostOf(waiting, 'basalt')
    expect(basalt.row('label gpu')).toMatchObject({ wanted: 'h100', offered: 'h100', met: true })
    expect(basalt.row('free cpu')).toMatchObject({ offered: '0', met: false, resolves: true })
    expect(hostOf(waiting, 'onyx').row('label gpu')).toMatchObject({
      offered: 'a4000',
      met: false,
      resolves: false,
      fix: 'add the label gpu: h100 in agent.yaml of onyx, or relax `labels`'
    })
    expect(hostOf(waiting, 'slate').row('takes jobs')).toMatchObject({
      offered: 'draining',
      resolves: false,
      fix: '`agent resume` on slate, or start it again'
    })
  })

  test('that a host would emulate its platform, and how much more time it would have', () => {
    const platforms = [
      { name: 'linux/amd64', native: true },
      { name: 'linux/arm64/v8', native: false }
    ]
    const runs = runsOf({ ...sampleSpec(), platform: 'linux/arm64' })
    const { waiting } = waitingIn(runs, 'R.0', [sampleView({ name: 'onyx', platforms })], 2)
    const offered = 'linux/arm64/v8 (emulated, 5 times the time)'
    expect(hostOf(waiting, 'onyx').row('platform')).toMatchObject({ offered, met: true })
  })

  test('that a host keeps its room for an older job, and for whom', () => {
    const small = { ...sampleSpec(), resources: { cpuMilli: 100, memoryBytes: GIB } }
    const runs = runsOf(small, [{ resources: LARGE }])
    const half = { ...onyx.advertisement.capacity, cpuMilli: 2_000 }
    const busy = sampleView({ name: 'onyx', free: half })
    const { waiting } = waitingIn(runs, 'R.0', [busy], ROOM_KEPT_AFTER_MS + 1)
    const row = hostOf(waiting, 'onyx').row('kept room')
    expect(row).toMatchObject({ offered: 'keeps its room for old', met: false, resolves: true })
  })
})
