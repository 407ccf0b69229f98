import { expect, test } from 'vitest'
import { arrivalProblem, leadOf } from '../../../protocol/core/arrival.ts'
import type { JobOpBody, JobState } from '../../../protocol/core/job.ts'
import { landingOf } from '../../../protocol/core/move.ts'
import { reduce } from '../../../protocol/core/register-reducer.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { signerOf } from '../../../protocol/wire/signer.ts'
import { keyOfSeed } from '../../support/memory-mesh.ts'
import { made } from '../../support/witness-asks.ts'

const JOB = '7K3QF2ABCDEFGHJKMNPQRSTVWX.0'
const CLAIM = 'ab'.repeat(16)
const TAKE_OVER_MS = 3_500
const signer = signerOf(await keyOfSeed(1))
const rival = signerOf(await keyOfSeed(2))

function after(value: JobState | undefined, by: typeof signer, body: JobOpBody): JobState {
  const op = by.jobOp(JOB, `${value?.version ?? 0}`.padStart(32, '0'), body)
  const next = made(reduce(value, JOB, op, digest()))
  if (next.kind !== 'job') throw new Error('a run')
  return next
}

const created = after(undefined, signer, {
  kind: 'create',
  annHash: 'cd'.repeat(32),
  attemptsMax: 3
})
const claim = { kind: 'claim', claimId: CLAIM, boot: '11'.repeat(8), leaseMs: 3_000 } as const
const leased = after(created, signer, claim)
const moved = after(leased, signer, { kind: 'move', witnessEpoch: 4, reason: 'witness_gone' })
const landing = landingOf(moved)
if (landing === undefined) throw new Error('no stop-sign')
const arrival = { landing, provenAtMs: 1_000 }

test('a stop-sign leads to its own epoch, on the way to a later one, and not to an earlier', () => {
  expect(leadOf(moved, 4)).toEqual({ kind: 'here', landing })
  expect(leadOf(moved, 5)).toEqual({ kind: 'next', witnessEpoch: 4 })
  expect(leadOf(moved, 3)).toEqual({ kind: 'none' })
})

test('what did not move leads nowhere', () => {
  for (const value of [undefined, created, leased]) expect(leadOf(value, 4).kind).toBe('none')
})

test('the landing itself is taken, and no other of its version', () => {
  expect(arrivalProblem(arrival, landing, 1_000, digest())).toBeUndefined()
  const other = landingOf(
    after(leased, signer, { kind: 'move', witnessEpoch: 4, reason: 'otherwise' })
  )
  if (other === undefined) throw new Error('no stop-sign')
  expect(arrivalProblem(arrival, other, 1_000, digest())).toEqual({ kind: 'another' })
})

test('a rival claim waits for the lease that came along, counted from when it was learned', () => {
  const taken = after(landing, rival, { ...claim, claimId: 'ef'.repeat(16) })
  const problem = (nowMs: number) => arrivalProblem(arrival, taken, nowMs, digest())

  expect(problem(1_000)).toEqual({ kind: 'alive', leftMs: TAKE_OVER_MS })
  expect(problem(999 + TAKE_OVER_MS)).toEqual({ kind: 'alive', leftMs: 1 })
  expect(problem(1_000 + TAKE_OVER_MS)).toBeUndefined()
})

test('what the holder itself does with its lease waits for nothing', () => {
  const body = { kind: 'release', epoch: 1, claimId: CLAIM, reason: 'drained' } as const
  const released = after(landing, signer, { ...body, userCodeRan: false })
  expect(arrivalProblem(arrival, released, 1_000, digest())).toBeUndefined()
})
