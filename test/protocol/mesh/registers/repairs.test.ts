import { expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../../protocol/core/lease-profile.ts'
import type { RegisterReply } from '../../../../protocol/core/messages.ts'
import { WRITE_BACKS_MAX } from '../../../../protocol/core/recovery-limits.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { Repairs } from '../../../../protocol/mesh/registers/repairs.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { create, jobAfter } from '../../../support/job-ops.ts'
import { acceptedOf, requestOf } from '../../../support/proposer-calls.ts'

const PROFILE = LEASE_PROFILES.short
const OUTRUN: RegisterReply = {
  kind: 'rejected',
  code: 'ballot',
  promised: undefined,
  remainingMs: undefined,
  detail: ''
}

/** Our own witness `w1`, which has promised more than what it lacks; `answers` of each write-back. */
async function writeBacks(answers: readonly boolean[]): Promise<number> {
  const clock = new FakeClock()
  let asked = 0
  const repairs = new Repairs({
    transport: { peerId: 'w1', request: () => Promise.resolve(OUTRUN) },
    clock,
    log: silentLog(),
    writeBack: () => {
      asked += 1
      return Promise.resolve(answers[asked - 1] ?? false)
    }
  })
  const { register, witnessEpoch, ann, witnesses } = requestOf()
  const accepted = acceptedOf(jobAfter(create()), 1)
  const chosen = { register, witnessEpoch, ann, accepted, announcement: undefined }
  const roster = undefined as never
  repairs.push(chosen, { roster, witnesses, quorum: 2, profile: PROFILE }, ['w1'])
  for (let period = 0; period < WRITE_BACKS_MAX + 5; period += 1) {
    await clock.advance(PROFILE.antiEntropyMs)
  }
  await repairs.stop()
  return asked
}

test('a witness that lacks a value tries to write it back until enough others answer', async () => {
  expect(await writeBacks([true])).toBe(1)
  expect(await writeBacks([false, false, true])).toBe(3)
})

test('it gives up after WRITE_BACKS_MAX tries', async () => {
  expect(await writeBacks([])).toBe(WRITE_BACKS_MAX)
})
