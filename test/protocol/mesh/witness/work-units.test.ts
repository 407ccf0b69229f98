import { describe, expect, test } from 'vitest'
import type { JobState } from '../../../../protocol/core/job.ts'
import type { RegisterRequest } from '../../../../protocol/core/messages.ts'
import { WITNESS_BYTES_FREE } from '../../../../protocol/core/witness-limits.ts'
import { unitsOf } from '../../../../protocol/mesh/witness/work-units.ts'
import { ballot } from '../../../support/acceptor-calls.ts'
import { adopt, claim, complete, create, jobAfter, release } from '../../../support/job-ops.ts'

/** Of a witness that is asked to accept it. */
function costOf(value: JobState): number {
  const ann = { gateway: 'gateway', gwSeq: 1, annHash: value.annHash }
  const scope = { register: value.register, witnessEpoch: 1, storeId: 's', ann }
  const common = { kind: 'accept', scope, ballot: ballot(1), value } as const
  const request: RegisterRequest = { ...common, proposerSig: 'x', announcement: undefined }
  return unitsOf(request, WITNESS_BYTES_FREE)
}

const queued = jobAfter(create())
const ONE_SIGNATURE = costOf(queued)

/** A job that was given back that many times before it was claimed once more. */
function givenBack(times: number): JobState {
  const lives = Array.from({ length: times }, (_, at) => [
    claim('peerA', `c${at + 1}`),
    release('peerA', at + 1, `c${at + 1}`, false)
  ])
  return jobAfter(create(), ...lives.flat(), claim('peerA', 'last'))
}

describe('what an accept costs', () => {
  test('rises with each ended lease whose signature is to be verified', () => {
    const [none, one, ten] = [costOf(givenBack(0)), costOf(givenBack(1)), costOf(givenBack(10))]
    expect(none).toBe(ONE_SIGNATURE)
    expect(one).toBeGreaterThan(none)
    expect(ten - none).toBe(10 * (one - none))
  })

  test('does not rise by the end that is its own op', () => {
    const ended = jobAfter(create(), claim('peerA', 'c1'), complete('peerA', 1, 'c1'))
    expect(ended.history).toHaveLength(1)
    expect(costOf(ended)).toBe(ONE_SIGNATURE)
  })

  test('counts an adoption in every value after it, but not in its own', () => {
    const adopted = [create(), claim('peerA', 'c1'), adopt('peerA', 1, 'c1', 1)] as const
    const later = jobAfter(...adopted, adopt('peerA', 1, 'c1', 2))
    expect(costOf(jobAfter(...adopted))).toBe(ONE_SIGNATURE)
    expect(costOf(later)).toBe(ONE_SIGNATURE)
    expect(costOf({ ...later, op: queued.op })).toBeGreaterThan(ONE_SIGNATURE)
  })
})
