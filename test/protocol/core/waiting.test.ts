import { expect, test } from 'vitest'
import type { AgentView } from '../../../protocol/core/observation.ts'
import { Turns } from '../../../protocol/core/turns.ts'
import { waitingOf } from '../../../protocol/core/waiting.ts'
import { sampleView } from '../../support/arbitrary-board.ts'
import { BoardRuns } from '../../support/board-runs.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const onyx = sampleView({ name: 'onyx' })

function waiting(runs: BoardRuns, jobId: string, agents: readonly AgentView[]) {
  const open = runs.board.openJobs()
  const turns = new Turns(open, runs.board, 2)
  const queue = open.filter((job) => turns.holdOf(job) === undefined)
  const view = { agents, queue, turns, board: runs.board, wallMs: 2, digest: plainDigest() }
  return waitingOf(runs.job(jobId), view)
}

test('what would help is said where no host could ever take the job', () => {
  const runs = new BoardRuns().run('R', [{ name: 'build', platform: 'linux/riscv64' }])
  expect(waiting(runs, 'R.0', [onyx])).toMatchObject({
    resolves: false,
    fix: 'add a host of linux/riscv64, or an emulator for it on onyx'
  })
  const fix = 'start an agent with `agent start`'
  expect(waiting(runs, 'R.0', [])).toMatchObject({ resolves: false, fix, hosts: [] })
})

test('a job whose need has failed never begins, whatever hosts there are', () => {
  const runs = new BoardRuns().run('R', [{ name: 'a' }, { name: 'b', needs: [0] }])
  expect(waiting(runs, 'R.1', [onyx])).toMatchObject({ resolves: true, fix: '' })
  runs.end('R.0', 'failed')
  expect(waiting(runs, 'R.1', [onyx])).toMatchObject({ resolves: false })
})

test('a job that runs or has ended waits for no host', () => {
  const runs = new BoardRuns().run('R', [{ name: 'a' }]).claim('R.0')
  expect(waiting(runs, 'R.0', [onyx])).toBeUndefined()
  expect(waiting(runs.end('R.0', 'succeeded'), 'R.0', [onyx])).toBeUndefined()
})

test('jobs that came earlier and want the same hosts are counted', () => {
  const runs = new BoardRuns().run('R', [{ name: 'a' }, { name: 'b' }, { name: 'c' }])
  expect(waiting(runs, 'R.2', [onyx])?.ahead).toBe(2)
})
