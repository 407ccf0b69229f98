import { expect, test } from 'vitest'
import { jobIdOf } from '../../../../protocol/core/run.ts'
import { PROTOCOLS } from '../../../../protocol/wire/ids.ts'
import { decodeRegisterRequest } from '../../../../protocol/wire/register-codec.ts'
import { MemoryMembers, succeeded } from '../../../support/memory-members.ts'

const FOUR = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness'],
  ['agent']
] as const
const CLAIM = 'ab'.repeat(16)
const STAGE = { name: 'step', step: 2, steps: 3 } as const

test('a job’s register is created by the first op on it, and the op is applied', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce({ jobs: [{ onLoss: 'error' }] })
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  const empty = await mesh.settle(mesh.member(3).readJob(jobId))
  expect(empty).toMatchObject({ kind: 'chosen', state: undefined, leaseRemainingMs: 0 })

  const claimed = await mesh.settle(mesh.claim(3, sealed, CLAIM))

  expect(claimed).toMatchObject({ kind: 'applied', value: { epoch: 1, attemptsMax: 1 } })
  const read = await mesh.settle(mesh.member(0).readJob(jobId))
  expect(read).toMatchObject({ kind: 'chosen', state: { phase: 'leased' } })
  expect(read.kind === 'chosen' && read.leaseRemainingMs).toBeGreaterThan(3_000)
})

test('no job is created for a run that is only announced', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  await mesh.member(0).publish(sealed)
  await mesh.clock.advance(100)

  const claimed = mesh.settle(mesh.claim(1, sealed, CLAIM))

  await expect(claimed).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  const sent = mesh.network.passed.filter(({ protocol }) => protocol === PROTOCOLS.register)
  const kinds = new Set(sent.map(({ body }) => decodeRegisterRequest(body).kind))
  expect(kinds.has('prepare')).toBe(false)
})

test('a job that its run does not have is unknown', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))

  const read = mesh.settle(mesh.member(1).readJob(jobIdOf(sealed.announcement.runId, 1)))

  await expect(read).rejects.toMatchObject({ code: 'JOB_UNKNOWN' })
})

test('without a quorum a change is unresolved and a read unreachable', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.clock.advance(2_000)
  mesh.network.isolate(mesh.member(3).peerId)

  const [read, claimed] = await mesh.settle(
    Promise.all([mesh.member(3).readJob(jobId), mesh.claim(3, sealed, CLAIM)])
  )

  expect(read).toEqual({ kind: 'unreachable', answered: 0 })
  expect(claimed).toMatchObject({ kind: 'unresolved', value: undefined })
})

test('a claim of a living lease is busy, and told for how long', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(1, sealed, CLAIM))

  const second = await mesh.settle(mesh.claim(2, sealed, 'cd'.repeat(16)))

  expect(second).toMatchObject({ kind: 'busy', value: { lease: { claimId: CLAIM } } })
  expect(second.kind === 'busy' && second.retryInMs).toBeGreaterThan(3_000)
})

test('the same op handed in again after a restart of its member is the same change', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  const complete = () => mesh.settle(mesh.member(1).changeJob(jobId, 'ef'.repeat(16), body))
  expect((await complete()).kind).toBe('applied')

  await mesh.restart(1)

  expect((await complete()).kind).toBe('same')
})

test('renewals go to held jobs and bring the stage to whoever reads', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  await mesh.clock.advance(100)
  const held = { jobId, epoch: 1, claimId: CLAIM, stage: STAGE }
  const unknown = { ...held, jobId: `${'0'.repeat(26)}.0` }

  const outcomes = await mesh.settle(mesh.member(1).renew([unknown, held]))

  expect(outcomes).toMatchObject([
    { jobId: unknown.jobId, oks: 0 },
    { jobId, quorum: 2, stale: 0 }
  ])
  expect(outcomes[1]?.oks).toBeGreaterThanOrEqual(2)
  const read = await mesh.settle(mesh.member(0).readJob(jobId))
  expect(read).toMatchObject({ kind: 'chosen', stage: STAGE })
  expect(mesh.member(0).board.job(jobId)?.stage).toEqual(STAGE)
})
