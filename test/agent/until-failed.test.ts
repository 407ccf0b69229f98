import { beforeEach, expect, test } from 'vitest'
import type { Registers } from '../../agent/claim/ports.ts'
import { untilFailed } from '../../agent/until-failed.ts'
import { runWith } from '../support/claim-bench.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { OneRegister } from '../support/one-register.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
const BOOT = '0123456789abcdef'
const CLAIM = { kind: 'claim', claimId: 'c'.repeat(32), boot: BOOT, leaseMs: 30_000 } as const
const HELD = {
  jobId: JOB,
  epoch: 1,
  claimId: CLAIM.claimId,
  stage: { name: 'step', step: 1, steps: 1 }
} as const

let mesh: OneRegister
let failed: AbortController
let registers: Registers
let hints: string[]

beforeEach(() => {
  mesh = new OneRegister()
  mesh.addRun(runWith(RUN, 1))
  failed = new AbortController()
  hints = []
  const member = mesh.member('onyx', BOOT, new FakeClock())
  const hint = async (jobId: string): Promise<void> => void hints.push(jobId)
  registers = untilFailed({ ...member, hint }, failed.signal)
})

test('until it fails an agent claims, reads, renews and tells as always', async () => {
  expect(await registers.changeJob(JOB, '1'.repeat(32), CLAIM)).toMatchObject({ kind: 'applied' })
  expect(await registers.readJob(JOB)).toMatchObject({ kind: 'chosen', state: { epoch: 1 } })
  expect(await registers.renew([HELD])).toMatchObject([{ oks: 3 }])
  await registers.hint(JOB)

  expect(hints).toEqual([JOB])
  expect([registers.peerId, registers.boot]).toEqual(['onyx', BOOT])
})

test('once it has failed nothing is claimed', async () => {
  failed.abort()

  const claim = await registers.changeJob(JOB, '1'.repeat(32), CLAIM)

  expect(claim).toEqual({ kind: 'unresolved', value: undefined })
  expect(mesh.states.size).toBe(0)
  expect(await registers.readJob(JOB)).toEqual({ kind: 'unreachable', answered: 0 })
})

test('once it has failed what is held is neither renewed nor given back nor spoken of', async () => {
  await registers.changeJob(JOB, '1'.repeat(32), CLAIM)
  failed.abort()

  const renewed = await registers.renew([HELD])
  const release = {
    kind: 'release',
    epoch: 1,
    claimId: CLAIM.claimId,
    reason: 'drained',
    userCodeRan: true
  } as const
  await registers.changeJob(JOB, '2'.repeat(32), release)
  await registers.hint(JOB)

  expect([renewed, mesh.renewals, hints]).toEqual([[], [], []])
  expect(mesh.states.get(JOB)?.phase).toBe('leased')
})
