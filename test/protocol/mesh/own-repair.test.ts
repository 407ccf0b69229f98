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

test('a witness whose own timer kept the end of a job out asks for it once its timer is over', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const register = jobIdOf(sealed.announcement.runId, 0)
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
  mesh.network.heal()
  await mesh.restart(2)
  const phase = async (): Promise<string | undefined> => {
    const record = await mesh.store(2).load({ register, witnessEpoch: 1 })
    const value = record?.accepted?.value
    return value?.kind === 'job' ? value.phase : undefined
  }
  await mesh.clock.advance(2_000)
  expect(await phase()).toBe('leased')

  await mesh.clock.advance(30_000)

  expect(await phase()).toBe('succeeded')
})
