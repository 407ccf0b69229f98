import { expect, test } from 'vitest'
import { epochLines } from '../../../../protocol/api/epoch-lines.ts'
import { REDELIVERY_MS } from '../../../../protocol/core/retention-limits.ts'
import type { Role } from '../../../../protocol/core/roster.ts'
import { REDELIVERY_MARGIN_MS } from '../../../../protocol/core/roster-limits.ts'
import { MemoryMembers } from '../../../support/memory-members.ts'

const W: readonly Role[] = ['agent', 'witness']
const GATEWAY: readonly Role[] = ['gateway', 'witness']
const AGENT: readonly Role[] = ['agent']

/** A run with one job under the first epoch; two of its three witnesses then lose their seats. */
async function changed() {
  const mesh = await MemoryMembers.open({ roles: [GATEWAY, W, W, AGENT, AGENT] })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.member(0).publish(sealed))
  await mesh.clock.advance(1_000)
  return mesh
}

const AFTER = [GATEWAY, AGENT, AGENT, W, W]

function linesOf(mesh: MemoryMembers, index: number) {
  return epochLines(mesh.member(index).epochs())
}

test('where the earlier witnesses answer nothing is said of their epoch', async () => {
  const mesh = await changed()
  expect(linesOf(mesh, 0)).toEqual([])
  await mesh.changeRoster([GATEWAY, W, W, W, AGENT])
  expect(mesh.member(0).epochs()).toMatchObject([{ witnessEpoch: 1, isSealed: true, stuck: 0 }])
  expect(linesOf(mesh, 0)).toEqual([])
})

test('an earlier epoch without a majority is named with its open jobs and the way out', async () => {
  const mesh = await changed()
  for (const index of [1, 2]) await mesh.kill(index)
  await mesh.changeRoster(AFTER)
  await mesh.clock.advance(1_000)

  const [line, ...others] = linesOf(mesh, 0)
  expect(others).toEqual([])
  expect(line).toMatchObject({ code: 'EPOCH_UNREACHABLE' })
  expect(line?.message).toBe(
    'witness epoch 1: 1 of 3 witnesses are reachable, 2 of a run are needed: 1 open job there ' +
      'cannot go on, and runs that may have begun there wait before they begin'
  )
  expect(line?.fix).toMatch(/^start .+, .+; .*`agent reseal --epoch 1`$/)

  mesh.clock.jumpWall(REDELIVERY_MS + REDELIVERY_MARGIN_MS + 1)
  expect(linesOf(mesh, 0)[0]?.message).not.toContain('before they begin')
  const { epochSinceMs } = mesh.member(0).roster()?.roster ?? {}
  await mesh.changeRoster(AFTER, { witnessEpoch: 2, epochSinceMs, lostEpochs: [1] })
  expect(linesOf(mesh, 0)).toEqual([])
})

test('a job that is to leave a witness without a seat is counted until it has moved', async () => {
  const mesh = await changed()
  await mesh.kill(2)
  await mesh.changeRoster([GATEWAY, W, AGENT, W, AGENT])
  const codes = () => linesOf(mesh, 0).map(({ code }) => code)
  expect(codes()).toEqual(['JOBS_TO_MOVE'])
  await mesh.clock.advance(60_000)
  expect(codes()).toEqual([])
})
