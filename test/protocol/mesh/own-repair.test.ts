import { expect, test } from 'vitest'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { MemoryMembers, succeeded } from '../../support/memory-members.ts'

const FOUR = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness'],
  ['agent']
] as const
const LOST = 'ab'.repeat(16)
const NEXT = 'cd'.repeat(16)
/** Profile `short`. */
const TAKE_OVER_MS = 3_500

async function lagging(raised: boolean): Promise<() => Promise<string | undefined>> {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const register = jobIdOf(sealed.announcement.runId, 0)
  const key = { register, witnessEpoch: 1 }
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(3, sealed, LOST))
  await mesh.clock.advance(500)
  // Away while the job is taken over and ends, it believes in the first lease.
  mesh.network.isolate(mesh.key(2).peerId)
  await mesh.clock.advance(TAKE_OVER_MS)
  const taken = await mesh.settle(mesh.claim(1, sealed, NEXT))
  expect(taken).toMatchObject({ kind: 'applied', value: { epoch: 2 } })
  const outcome = succeeded(2)
  const body = { kind: 'complete', epoch: 2, claimId: NEXT, outcome } as const
  await mesh.settle(mesh.member(1).changeJob(register, 'ef'.repeat(16), body))
  if (raised) {
    const record = await mesh.store(2).load(key)
    const promised = { round: 1_000, peer: mesh.key(3).peerId, boot: '0'.repeat(16) }
    const raise = { promised, accepted: record?.accepted }
    await mesh.settle(mesh.store(2).save({ key, record: raise, announcement: undefined }))
  }
  mesh.network.heal()
  await mesh.restart(2)
  const phase = async (): Promise<string | undefined> => {
    const record = await mesh.store(2).load(key)
    const value = record?.accepted?.value
    return value?.kind === 'job' ? value.phase : undefined
  }
  await mesh.clock.advance(2_000)
  expect(await phase()).toBe('leased')
  await mesh.clock.advance(30_000)
  return phase
}

test('a witness whose own timer kept the end of a job out asks for it once its timer is over', async () => {
  const phase = await lagging(false)

  expect(await phase()).toBe('succeeded')
})

test('a witness that has promised a round of a proposer that is gone comes by the end all the same', async () => {
  const phase = await lagging(true)

  expect(await phase()).toBe('succeeded')
})
