import { expect, test } from 'vitest'
import type { AttemptRecord } from '../../../protocol/store/attempt-store.ts'
import { openMemoryStore } from '../../support/memory-store.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'

const ATTEMPT: AttemptRecord = {
  register: 'RUN.0',
  witnessEpoch: 2,
  epoch: 1,
  claimId: 'ab'.repeat(16),
  container: 'runner-mesh-RUN.0-12345678',
  phase: 'starting',
  outcome: undefined,
  userCodeRan: false,
  startedAtMs: 1_700_000_000_000
}

test('what an agent was doing is there after a restart, each job with its last record', async () => {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  const outcome = {
    epoch: 1,
    state: 'failed' as const,
    reason: 'exit_code' as const,
    exitCode: 3,
    message: 'step "test" ended with 3',
    steps: [{ name: 'test', state: 'failed' as const, exitCode: 3, durationMs: 12 }],
    durationMs: 40,
    logDigest: '',
    logLines: 0
  }
  await store.attempts.put(ATTEMPT)
  await store.attempts.put({ ...ATTEMPT, register: 'RUN.1', phase: 'running' })
  await store.attempts.put({ ...ATTEMPT, phase: 'exited', outcome, userCodeRan: true })
  await store.close()

  expect(await (await storeIn(dir)).attempts.all()).toEqual([
    { ...ATTEMPT, phase: 'exited', outcome, userCodeRan: true },
    { ...ATTEMPT, register: 'RUN.1', phase: 'running' }
  ])
})

test('an attempt that is removed does not come back', async () => {
  const { attempts } = await openMemoryStore()
  await attempts.put(ATTEMPT)
  await attempts.put({ ...ATTEMPT, register: 'RUN.1' })
  await attempts.remove('RUN.0')
  await attempts.remove('RUN.7')

  expect((await attempts.all()).map(({ register }) => register)).toEqual(['RUN.1'])
})

test('a name that can be none is refused', async () => {
  const { attempts } = await openMemoryStore()

  await expect(attempts.put({ ...ATTEMPT, register: 'a/b' })).rejects.toMatchObject({
    code: 'REQUEST_INVALID'
  })
})

test('attempts of a store that failed are neither shown nor changed', async () => {
  const store = await openMemoryStore()
  await store.distrust('a peer saw more')

  for (const call of [store.attempts.put(ATTEMPT), store.attempts.all()]) {
    await expect(call).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  }
})
