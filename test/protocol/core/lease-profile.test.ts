import { describe, expect, test } from 'vitest'
import { answerMs, holdMs, LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'

describe.each(Object.entries(LEASE_PROFILES))('lease profile %s', (_name, profile) => {
  test('a holder whose clock is 1 % slow stops before a witness 1 % fast lets another in', () => {
    const slowest = (holdMs(profile) + profile.killBudgetMs) * 1.01
    const fastest = profile.takeOverMs * 0.99

    expect(fastest).toBeGreaterThan(slowest)
  })

  test('several renewals fit into one lease, each with time for its answer', () => {
    expect(holdMs(profile) / profile.renewEveryMs).toBeGreaterThanOrEqual(4)
    expect(profile.requestTimeoutMs).toBeLessThan(profile.renewEveryMs)
    expect(answerMs(profile)).toBeLessThan(profile.requestTimeoutMs)
  })

  test('what starts has time to end by itself', () => {
    expect(profile.startMsMin).toBeGreaterThanOrEqual(profile.graceMs)
    expect(profile.startMsMin).toBeLessThan(holdMs(profile))
  })
})
