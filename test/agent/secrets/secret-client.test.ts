import { expect, test } from 'vitest'
import { SecretClient } from '../../../agent/secrets/secret-client.ts'
import { GIVEN_BEFORE } from '../../../protocol/core/given-runner.ts'
import { SECRETS_WAIT_MS_MAX } from '../../../protocol/core/secret-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { SecretsReply, SecretsRequest } from '../../../protocol/wire/secrets-codec.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const order = { gateway: 'basalt', job: '7K.0', epoch: 2, claimId: 'c', names: ['TOKEN'] }
const token = { name: 'TOKEN', value: Buffer.from('hunter22') }
const never = new AbortController().signal

type Answer = (request: SecretsRequest) => SecretsReply

function rig(...answers: readonly Answer[]) {
  const clock = new FakeClock()
  const sent: SecretsRequest[] = []
  const client = new SecretClient({
    send: async (_, request) => {
      sent.push(request)
      const answer = answers[sent.length - 1] ?? answers.at(-1)
      if (answer === undefined) throw new Error('no way to basalt')
      return answer(request)
    },
    clock,
    random: { next: () => 0.5, id: () => String(sent.length) },
    log: silentLog()
  })
  const released = (signal = never, goesOn = false) => client.release({ ...order, goesOn }, signal)
  return { clock, sent, released }
}

const released: Answer = ({ nonce }) => ({ nonce, kind: 'released', secrets: [token] })
const refused =
  (reason: 'not_holder' | 'unknown_job' | 'branch' | 'too_often'): Answer =>
  ({ nonce }) => ({ nonce, kind: 'refused', reason, name: 'TOKEN' })

/** Lets waits pass until the work has an end. */
async function passed<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isOver = false
  const end = work.finally(() => {
    isOver = true
  })
  end.catch(() => undefined)
  while (!isOver) {
    await new Promise(setImmediate)
    await clock.advance(100)
  }
  return await end
}

test('what is released is given, and each request has a nonce of its own', async () => {
  const { clock, sent, released: work } = rig(refused('unknown_job'), released)

  expect(await passed(clock, work())).toEqual([token])
  expect(sent.map(({ nonce }) => nonce)).toEqual(['0', '1'])
})

test('of a slot that goes on it is said that nothing is to be made', async () => {
  const { clock, sent, released: work } = rig(released)

  expect(await passed(clock, work(never, true))).toEqual([token])
  await passed(clock, work())
  expect(sent.map(({ names }) => names)).toEqual([[GIVEN_BEFORE, 'TOKEN'], ['TOKEN']])
})

test('a refusal is not asked again', async () => {
  const { clock, sent, released: work } = rig(refused('branch'))

  await expect(passed(clock, work())).rejects.toMatchObject({
    code: 'SECRET_REFUSED',
    facts: { name: 'TOKEN', reason: 'branch' }
  })
  expect(sent).toHaveLength(1)
})

test.each([
  ['is away', []],
  ['does not see the lease', [refused('not_holder')]],
  ['has released too often just now', [refused('too_often')]],
  ['answers another request', [(): SecretsReply => ({ ...released({} as never), nonce: 'x' })]],
  [
    'leaves one out',
    [({ nonce }: SecretsRequest): SecretsReply => ({ nonce, kind: 'released', secrets: [] })]
  ]
])('a gateway that %s is asked again, and not for ever', async (_, answers) => {
  const { clock, sent, released: work } = rig(...answers)
  const startMs = clock.bootMs()

  await expect(passed(clock, work())).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' })
  expect(sent.length).toBeGreaterThan(5)
  expect(sent.length).toBeLessThan(100)
  expect(clock.bootMs() - startMs).toBeLessThan(SECRETS_WAIT_MS_MAX + 1_000)
})

test('an attempt that is over waits no longer', async () => {
  const { clock, released: work } = rig()
  const stop = new AbortController()
  const waiting = work(stop.signal)
  stop.abort('cancelled')

  await expect(passed(clock, waiting)).rejects.toBe('cancelled')
})

test('what comes for an attempt that is over, or not whole, is erased', async () => {
  const stop = new AbortController()
  const values = [Buffer.from('hunter22'), Buffer.from('hunter23')]
  const give =
    (name: string, value: Buffer | undefined): Answer =>
    ({ nonce }) => ({
      nonce,
      kind: 'released',
      secrets: [{ name, value: value ?? Buffer.from('') }]
    })
  const late: Answer = (request) => {
    stop.abort('cancelled')
    return give('TOKEN', values[1])(request)
  }
  const { clock, released: work } = rig(give('OTHER', values[0]), late)

  await expect(passed(clock, work(stop.signal))).rejects.toBe('cancelled')
  expect(values.map((value) => value.every((byte) => byte === 0))).toEqual([true, true])
})
