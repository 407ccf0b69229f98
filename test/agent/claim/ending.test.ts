import { describe, expect, test } from 'vitest'
import { type EndBody, endLease } from '../../../agent/claim/ending.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { RETENTION_MS, TOMBSTONE_KEPT_MS } from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const body = {
  kind: 'release',
  epoch: 1,
  claimId: 'ab'.repeat(16),
  reason: 'agent_lost',
  userCodeRan: true
} satisfies EndBody

test('the end of a lease in a run that was dropped since is asked for once, and given up', async () => {
  let asked = 0
  const registers = {
    changeJob: () => {
      asked += 1
      throw new MeshError('RUN_GONE', { run: 'R' })
    }
  }
  const parts = { registers, clock: new FakeClock(), random: { next: () => 0 }, log: silentLog() }
  const { signal } = new AbortController()

  const change = await endLease({ ...parts, digest: digest() } as never, 'R.0', body, signal)

  expect(change).toMatchObject({ kind: 'rejected', reason: 'gone' })
  expect(asked).toBe(1)
})

describe('the end of an attempt of a run that no quorum knows', () => {
  /** Of an attempt of that age, or of this process; stopped with the third question. */
  async function ended(ageMs: number | undefined) {
    const clock = new FakeClock()
    const stop = new AbortController()
    let asked = 0
    const registers = {
      changeJob: () => {
        asked += 1
        if (asked === 3) stop.abort()
        throw new MeshError('RUN_UNKNOWN', { id: 'R' })
      }
    }
    const parts = { registers, clock, random: { next: () => 0 }, log: silentLog() }
    const startedAtMs = ageMs === undefined ? undefined : clock.wallMs() - ageMs
    const ending = { ...parts, digest: digest() } as never
    const settling = endLease(ending, 'R.0', body, stop.signal, startedAtMs)
    await clock.advance(1_000)
    return { change: await settling, asked }
  }

  test('is given up where its witnesses have forgotten by now that they dropped it', async () => {
    const { change, asked } = await ended(RETENTION_MS + TOMBSTONE_KEPT_MS)
    expect(change).toMatchObject({ kind: 'rejected', reason: 'gone' })
    expect(asked).toBe(1)
  })

  test('is asked for again where they would say that it is gone', async () => {
    const { change, asked } = await ended(RETENTION_MS + TOMBSTONE_KEPT_MS - 1)
    expect(change).toBeUndefined()
    expect(asked).toBe(3)
  })

  test('is asked for again where the attempt is one of this process', async () => {
    expect((await ended(undefined)).asked).toBe(3)
  })
})
