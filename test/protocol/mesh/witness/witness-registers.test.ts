import { expect, test } from 'vitest'
import { type AcceptorStep, prepare } from '../../../../protocol/core/acceptor.ts'
import { MeshError } from '../../../../protocol/core/errors.ts'
import type { AcceptorRecord, RecordKey } from '../../../../protocol/core/ports.ts'
import {
  type WitnessRegister,
  WitnessRegisters
} from '../../../../protocol/mesh/witness/witness-registers.ts'
import { digest } from '../../../../protocol/wire/digest.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { CrashStore } from '../../../support/crash-store.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { jobAfter } from '../../wire/samples.ts'

const STARTED_MS = 77

function keyOf(index: number): RecordKey {
  return { register: `R${index}`, witnessEpoch: 1 }
}

function leasedRecord(): AcceptorRecord {
  const key = generateKey()
  const lease = { holder: key.peerId, claimId: '0a'.repeat(16), boot: '0b'.repeat(8) }
  const body = { kind: 'claim', claimId: lease.claimId, boot: lease.boot, leaseMs: 3_000 } as const
  const job = { phase: 'leased', epoch: 1, lease: { ...lease, leaseMs: 3_000 } } as const
  const ballot = { round: 1, peer: key.peerId, boot: lease.boot }
  const value = jobAfter(key, body, job)
  return { promised: ballot, accepted: { ballot, value, proposerSig: '' } }
}

function open(max: number) {
  const clock = new FakeClock()
  const before = clock.bootMs()
  const store = new CrashStore(clock, 'aa'.repeat(16))
  const bootMs = () => STARTED_MS + clock.bootMs() - before
  return { clock, store, registers: new WitnessRegisters(store, bootMs, max) }
}

async function hold(registers: WitnessRegisters, index: number): Promise<void> {
  const register = await registers.take(keyOf(index))
  register.state = { ...register.state, record: leasedRecord() }
  registers.release(register)
}

test('two requests for one register get the same one, loaded once', async () => {
  const { registers } = open(10)

  const [one, other] = await Promise.all([registers.take(keyOf(1)), registers.take(keyOf(1))])

  expect(one).toBe(other)
  expect(one.users).toBe(2)
  expect(one.state.timer.renewedAtMs).toBe(STARTED_MS)
})

test('a register that was loaded stays until all who waited for it have let it go', async () => {
  const { registers } = open(1)
  const waiting = [registers.take(keyOf(1)), registers.take(keyOf(1))]
  const [first, second] = await Promise.all(waiting)
  if (first === undefined || second === undefined) throw new Error('two')

  registers.release(first)
  await expect(registers.take(keyOf(2))).rejects.toMatchObject({ code: 'OVERLOADED' })
  registers.release(second)

  expect((await registers.take(keyOf(2))).key).toEqual(keyOf(2))
  expect(registers.size).toBe(1)
})

test('a known register is there at once, so that nothing comes between it and a decision', async () => {
  const { registers } = open(1)
  const register = await registers.take(keyOf(1))

  expect(registers.take(keyOf(1))).toBe(register)
})

test('registers without a lease leave memory, the longest unused first', async () => {
  const { registers } = open(3)
  for (const index of [1, 2, 3]) registers.release(await registers.take(keyOf(index)))
  const first = await registers.take(keyOf(1))
  registers.release(first)

  registers.release(await registers.take(keyOf(4)))

  expect(registers.size).toBe(3)
  expect(await registers.take(keyOf(1))).toBe(first)
})

test('leased registers stay, and when all places are leased a new one is refused', async () => {
  const { registers } = open(3)
  for (const index of [1, 2, 3]) await hold(registers, index)

  await expect(registers.take(keyOf(4))).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect([...registers.leased()].map(({ key }) => key.register)).toEqual(['R1', 'R2', 'R3'])
})

test('a stop-sign that left memory guards its lease anew, and not as if it had run out', async () => {
  const { clock, store, registers } = open(1)
  const { accepted, ...rest } = leasedRecord()
  if (accepted?.value.kind !== 'job') throw new Error('no job')
  const value = { ...accepted.value, phase: 'moved', moved: { witnessEpoch: 2 } } as const
  const record = { ...rest, accepted: { ...accepted, value } }
  await clock.settle(store.save({ key: keyOf(1), record, announcement: undefined }), 1_000)
  await clock.advance(60_000)

  const { timer } = (await registers.take(keyOf(1))).state

  expect(timer.renewedAtMs).toBeGreaterThan(STARTED_MS + 59_000)
})

function promised(register: WitnessRegister): AcceptorStep {
  const ballot = { round: 5, peer: 'me', boot: '00' }
  const scope = { ...register.key, storeId: 'aa'.repeat(16), ann: undefined }
  return prepare(
    register.state,
    { kind: 'prepare', scope, ballot, intent: 'op' },
    {
      nowMs: 0,
      remote: 'me',
      remoteIsMember: true,
      leaseMs: 3_000,
      valueValid: true,
      proposalValid: true,
      digest: digest(),
      createValid: true,
      floorOf: () => 0,
      announced: undefined
    }
  )
}

test('a register that waits for its sync is not dropped', async () => {
  const { clock, store, registers } = open(1)
  store.hold()
  const register = await registers.take(keyOf(1))
  register.state = promised(register).state
  const write = { key: register.key, record: register.state.record, announcement: undefined }
  registers.saving(register, store.save(write), write, 'promise')
  registers.release(register)

  await expect(registers.take(keyOf(2))).rejects.toMatchObject({ code: 'OVERLOADED' })

  store.release()
  await clock.advance(10)
  expect((await registers.take(keyOf(2))).key).toEqual(keyOf(2))
})

test('an accept whose save was refused is waited for in the next save, which holds it too', async () => {
  const { clock, registers } = open(1)
  const register = await registers.take(keyOf(1))
  const write = { key: register.key, record: leasedRecord(), announcement: undefined }
  const [accept, promise, last] = [0, 1, 2].map(() => Promise.withResolvers<number>())
  if (accept === undefined || promise === undefined || last === undefined) throw new Error('three')
  registers.saving(register, accept.promise, write, 'accept')
  registers.saving(register, promise.promise, write, 'promise')

  accept.reject(new MeshError('OVERLOADED', { what: 'the store', max: 0 }))
  await clock.advance(0)
  expect(register.savedAccept).toBe(promise.promise)

  promise.reject(new MeshError('OVERLOADED', { what: 'the store', max: 0 }))
  await clock.advance(0)
  expect(register).toMatchObject({ saved: undefined, savedAccept: undefined, unsaved: 'accept' })

  registers.saving(register, last.promise, write, 'promise')
  expect(register.savedAccept).toBe(last.promise)
  last.resolve(3)
  await clock.advance(0)
  expect(register).toMatchObject({ saved: undefined, savedAccept: undefined, unsaved: undefined })
})
