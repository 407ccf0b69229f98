import { describe, expect, test } from 'vitest'
import { holdsLease } from '../../../protocol/core/lease.ts'
import { claim, create, jobAfter } from '../../support/job-ops.ts'

describe('a claim has won', () => {
  const value = jobAfter(create(), claim('peerA', 'c1'))
  const key = { holder: 'peerA', claimId: 'c1', boot: 'boot-peerA' }

  test('only when the register is leased to it, by this claim of this process', () => {
    expect(holdsLease(value, key)).toBe(true)
    expect(holdsLease(value, { ...key, holder: 'peerB' })).toBe(false)
    expect(holdsLease(value, { ...key, claimId: 'c2' })).toBe(false)
    expect(holdsLease(value, { ...key, boot: 'clone' })).toBe(false)
    expect(holdsLease(jobAfter(create()), key)).toBe(false)
    expect(holdsLease(undefined, key)).toBe(false)
  })
})
