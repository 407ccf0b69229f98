import { expect, test } from 'vitest'
import { type EndBody, endLease } from '../../../agent/claim/ending.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('the end of a lease in a run that was dropped since is asked for once, and given up', async () => {
  let asked = 0
  const registers = {
    changeJob: () => {
      asked += 1
      throw new MeshError('RUN_GONE', { run: 'R' })
    }
  }
  const parts = { registers, clock: new FakeClock(), random: { next: () => 0 }, log: silentLog() }
  const body = {
    kind: 'release',
    epoch: 1,
    claimId: 'ab'.repeat(16),
    reason: 'agent_lost',
    userCodeRan: true
  } satisfies EndBody
  const { signal } = new AbortController()

  const change = await endLease({ ...parts, digest: digest() } as never, 'R.0', body, signal)

  expect(change).toMatchObject({ kind: 'rejected', reason: 'gone' })
  expect(asked).toBe(1)
})
