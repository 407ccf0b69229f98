import { expect, test } from 'vitest'
import { MeshError } from '../../../../protocol/core/errors.ts'
import type { RegisterReply } from '../../../../protocol/core/messages.ts'
import { MeshTransport } from '../../../../protocol/mesh/registers/mesh-transport.ts'
import { SeenSequences } from '../../../../protocol/mesh/registers/seen-sequences.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { encodeRegisterReply } from '../../../../protocol/wire/register-codec.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const MESSAGE = { kind: 'announcement', annHash: 'ab'.repeat(32) } as const
const REPLY: RegisterReply = { kind: 'announcement', bytes: undefined }

function open(local: () => Promise<RegisterReply>, remote: () => Promise<Uint8Array>) {
  const clock = new FakeClock()
  const node = { peerId: 'me', request: remote }
  const seen = new SeenSequences()
  return { clock, seen, transport: new MeshTransport({ node, clock, seen, local }) }
}

const never = () => new Promise<never>(() => undefined)

test('our own witness is asked in this process and leaves no timer behind', async () => {
  const { clock, transport } = open(async () => REPLY, never)

  expect(await transport.request('me', MESSAGE, { timeoutMs: 100 })).toBe(REPLY)
  expect(clock.armed()).toBe(0)
})

test('our own witness has no more time than any other', async () => {
  const { clock, transport } = open(never, never)

  const asked = clock.settle(transport.request('me', MESSAGE, { timeoutMs: 100 }), 1_000)

  await expect(asked).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
})

test('a signal ends a request to our own witness, before it starts as well', async () => {
  const { clock, transport } = open(never, never)
  const stop = new AbortController()
  const options = { timeoutMs: 100, signal: stop.signal }
  const asked = expect(transport.request('me', MESSAGE, options)).rejects.toThrow('over')

  stop.abort(new Error('over'))

  await asked
  await expect(transport.request('me', MESSAGE, options)).rejects.toThrow('over')
  expect(clock.armed()).toBe(0)
})

test('bytes of a peer that are no reply are MESSAGE_INVALID', async () => {
  const { transport } = open(never, async () => Uint8Array.of(1, 2, 3))

  const asked = transport.request('other', MESSAGE, { timeoutMs: 100 })

  await expect(asked).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
})

test('what the network says goes through', async () => {
  const error = new MeshError('PEER_UNREACHABLE', { peer: 'other', cause: 'gone' })
  const { transport } = open(never, () => Promise.reject(error))

  await expect(transport.request('other', MESSAGE, { timeoutMs: 100 })).rejects.toBe(error)
})

test('what a reply shows of a store is remembered, the highest of each peer and store', async () => {
  const replies: readonly RegisterReply[] = [
    { kind: 'accepted', ballot: BALLOT, wseq: 7 },
    { kind: 'promise', ballot: BALLOT, accepted: undefined, lease: undefined, wseq: 9 },
    { kind: 'value', accepted: undefined, promised: BALLOT, lease: undefined, wseq: 8 }
  ]
  const left = replies.map((reply) => encodeRegisterReply(reply))
  const { transport, seen } = open(never, async () => left.shift() ?? new Uint8Array(0))
  const [storeId, other] = ['aa'.repeat(16), 'bb'.repeat(16)]
  const scope = { register: RUN_ID, witnessEpoch: 1, storeId, ann: undefined }

  for (const _reply of replies) {
    await transport.request('peer', { kind: 'read', scope }, { timeoutMs: 100 })
  }

  expect(seen.of('peer', storeId)).toBe(9)
  expect([seen.of('peer', other), seen.of('another', storeId)]).toEqual([0, 0])
})

const RUN_ID = 'A'.repeat(26)
const BALLOT = { round: 3, peer: generateKey().peerId, boot: '0b'.repeat(8) }
