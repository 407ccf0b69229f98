import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DELIVERY_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { Committer } from '../../../protocol/store/committer.ts'
import type { Database } from '../../../protocol/store/database.ts'
import {
  type Delivery,
  type InboxStore,
  LevelInboxStore
} from '../../../protocol/store/inbox-store.ts'
import { Reader } from '../../../protocol/store/reader.ts'
import { sealJson, sealValue } from '../../../protocol/store/sealed-value.ts'
import { Tally } from '../../../protocol/store/tally.ts'
import { memoryDatabase, openMemoryStore } from '../../support/memory-store.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'

function deliveryOf(number: number, changes: Partial<Delivery> = {}): Delivery {
  return {
    key: `demo/msg-${number}`,
    deliveryId: `msg-${number}`,
    repository: 'demo',
    url: 'git://forge.example/demo.git',
    runId: `RUN${number}`,
    receivedAtMs: 1_000 + number,
    body: JSON.stringify({ ref: 'refs/heads/main', number }),
    state: 'received',
    reason: '',
    reopenable: false,
    openEpoch: 0,
    sealed: undefined,
    ...changes
  }
}

const keysOf = (deliveries: readonly { readonly key: string }[]): string[] =>
  deliveries.map(({ key }) => key)

describe('a delivery', () => {
  test('of 50 that come at one time is stored once, and all wait for its sync', async () => {
    const dir = await temporaryFolder()
    const store = await storeIn(dir)
    const before = await store.witness.barrier()
    const puts = Array.from({ length: 50 }, (_, index) =>
      store.inbox.put(deliveryOf(1, { body: `"request ${index}"` }))
    )
    const first = await Promise.race(puts)
    const synced = await store.witness.barrier()
    const answers = await Promise.all(puts)

    expect(first).toBe('stored')
    expect(synced).toBe(before + 1)
    expect(answers.filter((answer) => answer === 'stored')).toHaveLength(1)
    expect(answers.filter((answer) => answer === 'known')).toHaveLength(49)
    expect((await store.inbox.get('demo/msg-1'))?.body).toBe('"request 0"')
  })

  test('is there after a restart, with all that became of it', async () => {
    const dir = await temporaryFolder()
    const store = await storeIn(dir)
    const sealed = Uint8Array.from([1, 2, 3, 250])
    await store.inbox.put(deliveryOf(1))
    await store.inbox.put(deliveryOf(2))
    await store.inbox.update('demo/msg-1', { sealed })
    await store.inbox.update('demo/msg-1', { state: 'recorded', reason: 'chosen' })
    await store.inbox.update('demo/msg-2', { url: 'git://new.example/demo.git', runId: 'NEW' })
    await store.inbox.update('demo/msg-2', { reopenable: true })
    await store.close()

    const { inbox } = await storeIn(dir)
    const found = await inbox.get('demo/msg-1')
    expect(found).toEqual({
      ...deliveryOf(1, { state: 'recorded', reason: 'chosen' }),
      sealed: expect.anything()
    })
    expect([...(found?.sealed ?? [])]).toEqual([...sealed])
    expect(await inbox.put(deliveryOf(1))).toBe('known')
    expect(keysOf(await inbox.undone())).toEqual(['demo/msg-2'])
    const moved = { url: 'git://new.example/demo.git', runId: 'NEW', reopenable: true }
    expect(await inbox.byRun('NEW')).toEqual(deliveryOf(2, moved))
    expect(await inbox.byRun('RUN3')).toBeUndefined()
    expect(await inbox.get('demo/msg-3')).toBeUndefined()
  })

  test('that is undone comes again, oldest first', async () => {
    const { inbox } = await openMemoryStore()
    for (const number of [5, 3, 9, 1]) await inbox.put(deliveryOf(number))
    await inbox.update('demo/msg-3', { state: 'ignored', reason: 'branch not selected' })

    expect(keysOf(await inbox.undone())).toEqual(['demo/msg-5', 'demo/msg-9', 'demo/msg-1'])
    expect(keysOf(await inbox.undone(2))).toEqual(['demo/msg-5', 'demo/msg-9'])
  })

  test('is found by its run, the first of several', async () => {
    const { inbox } = await openMemoryStore()
    await inbox.put(deliveryOf(1, { runId: 'SAME' }))
    await inbox.put(deliveryOf(2, { runId: 'SAME' }))

    expect((await inbox.byRun('SAME'))?.key).toBe('demo/msg-1')
  })

  test('is found by its run, the one that no other one begins anew', async () => {
    const { inbox } = await openMemoryStore()
    await inbox.put(deliveryOf(1, { runId: 'SAME', state: 'ignored', reopenable: true }))
    await inbox.put(deliveryOf(2, { runId: 'SAME' }))
    await inbox.put(deliveryOf(3, { runId: 'ENDED', state: 'ignored', reopenable: true }))

    expect((await inbox.byRun('SAME'))?.key).toBe('demo/msg-2')
    expect((await inbox.byRun('ENDED'))?.key).toBe('demo/msg-3')
  })

  test('of a pull request is found with all others of it, whatever became of them', async () => {
    const dir = await temporaryFolder()
    const store = await storeIn(dir)
    await store.inbox.put(deliveryOf(1, { subject: 'forge 42 7' }))
    await store.inbox.put(deliveryOf(2))
    await store.inbox.put(deliveryOf(3, { subject: 'forge 42 8' }))
    await store.inbox.put(deliveryOf(4, { subject: 'forge 42 7' }))
    await store.inbox.update('demo/msg-4', { state: 'waiting' })
    await store.inbox.update('demo/msg-1', { state: 'ignored', approvedBy: 'lena' })
    await store.close()

    const { inbox } = await storeIn(dir)
    const found = inbox.ofSubject('forge 42 7')
    expect(found).toMatchObject([
      { key: 'demo/msg-1', approvedBy: 'lena' },
      { key: 'demo/msg-4', state: 'waiting' }
    ])
    expect(inbox.ofSubject('')).toEqual([])
    expect(inbox.waiting()).toMatchObject([{ key: 'demo/msg-4' }])
    expect(keysOf(await inbox.undone())).toEqual(['demo/msg-2', 'demo/msg-3'])
  })

  test('that was stored before its URL was kept is read back without one', async () => {
    const database = await memoryDatabase()
    const { url: _url, reopenable: _reopenable, body, sealed: _sealed, ...old } = deliveryOf(1)
    const rows = [
      { key: 'd/0000000000000001', value: sealJson('d/0000000000000001', old) },
      { key: 'e/0000000000000001', value: sealValue('e/0000000000000001', Buffer.from(body)) }
    ]
    await database.batch(
      rows.map((row) => ({ type: 'put', ...row })),
      { sync: true }
    )

    const inbox = await inboxOver(database)

    expect(await inbox.undone()).toEqual([deliveryOf(1, { url: '' })])
    expect(await inbox.put(deliveryOf(1))).toBe('known')
  })

  test('whose id is made of anything does not leave its place', async () => {
    const { inbox } = await openMemoryStore()
    const keys = ['a/../../meta/store', 'r/RUN@1', '\u0000', 'd/0000000000000001', 'é/🎉']
    for (const key of keys) await inbox.put(deliveryOf(1, { key, body: JSON.stringify(key) }))

    for (const key of keys) expect((await inbox.get(key))?.body).toBe(JSON.stringify(key))
    expect(keysOf(await inbox.undone())).toEqual(keys)
  })
})

describe('a full inbox', () => {
  test('forgets the oldest finished delivery first, on the disk too', async () => {
    const inbox = await smallInbox()
    for (const number of [1, 2, 3]) await inbox.put(deliveryOf(number))
    await inbox.update('demo/msg-2', { state: 'recorded' })
    await inbox.update('demo/msg-1', { state: 'errored' })

    await inbox.put(deliveryOf(4))
    expect(keysOf((await inbox.list(9, undefined)).deliveries)).toEqual([
      'demo/msg-4',
      'demo/msg-3',
      'demo/msg-2'
    ])
    await inbox.put(deliveryOf(5))
    expect(await inbox.get('demo/msg-2')).toBeUndefined()
    expect(await inbox.put(deliveryOf(3))).toBe('known')
  })

  test('does not forget what waits for an approval', async () => {
    const inbox = await smallInbox()
    for (const number of [1, 2, 3]) await inbox.put(deliveryOf(number))
    await inbox.update('demo/msg-1', { state: 'waiting' })
    await inbox.update('demo/msg-2', { state: 'recorded' })

    await inbox.put(deliveryOf(4))

    expect(inbox.waiting()).toMatchObject([{ key: 'demo/msg-1' }])
    expect(await inbox.get('demo/msg-2')).toBeUndefined()
  })

  test('takes nothing while none is finished', async () => {
    const inbox = await smallInbox()
    for (const number of [1, 2, 3]) await inbox.put(deliveryOf(number))

    await expect(inbox.put(deliveryOf(4))).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(keysOf(await inbox.undone())).toHaveLength(3)
  })
})

test('a delivery that is too large or has no id is not kept', async () => {
  const { inbox } = await openMemoryStore()
  const large = deliveryOf(1, { body: 'x'.repeat(DELIVERY_BYTES_MAX + 1) })

  await expect(inbox.put(large)).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' })
  for (const key of ['', 'x'.repeat(300)]) {
    await expect(inbox.put(deliveryOf(1, { key }))).rejects.toMatchObject({
      code: 'REQUEST_INVALID'
    })
  }
  expect((await inbox.list(10, undefined)).deliveries).toEqual([])
})

test('a delivery that is not kept cannot change', async () => {
  const { inbox } = await openMemoryStore()

  await expect(inbox.update('demo/msg-1', { state: 'errored' })).rejects.toMatchObject({
    code: 'BUG'
  })
})

test('pages list all deliveries once, newest first', async () => {
  const { inbox } = await openMemoryStore()
  for (let number = 1; number <= 7; number += 1) await inbox.put(deliveryOf(number))

  const seen: string[] = []
  let cursor: number | undefined
  do {
    const page = await inbox.list(3, cursor)
    expect(page.deliveries.length).toBeLessThanOrEqual(3)
    expect(page.deliveries[0]).not.toHaveProperty('body')
    seen.push(...keysOf(page.deliveries))
    cursor = page.next
  } while (cursor !== undefined)
  expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1].map((number) => `demo/msg-${number}`))
})

test('numbers of announcements are never given twice, side by side or after a restart', async () => {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  const numbers = await Promise.all(Array.from({ length: 20 }, () => store.inbox.nextGwSeq()))
  await store.close()

  expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  expect(await (await storeIn(dir)).inbox.nextGwSeq()).toBe(21)
})

test('the witness epoch that a run was first pinned to stays, side by side or later', async () => {
  const dir = await temporaryFolder()
  const store = await storeIn(dir)
  expect(await store.inbox.epochOf('RUN1')).toBeUndefined()
  const pins = await Promise.all([3, 4, 5].map((epoch) => store.inbox.pinEpoch('RUN1', epoch)))
  await store.close()

  expect(pins).toEqual([3, 3, 3])
  const { inbox } = await storeIn(dir)
  expect(await inbox.pinEpoch('RUN1', 9)).toBe(3)
  expect(await inbox.epochOf('RUN1')).toBe(3)
  expect(await inbox.pinEpoch('RUN2', 9)).toBe(9)
})

const RUNS = ['RUN0', 'RUN1']
const aRun = fc.constantFrom(...RUNS)
type Step = { kind: 'put' | 'pin'; run: string } | { kind: 'end'; at: number }
const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('put' as const, 'pin' as const), run: aRun }),
  fc.record({ kind: fc.constant('end' as const), at: fc.nat(2) })
)

/** One step of a gateway's life; a run is only ever pinned for a delivery that is kept. */
async function take(inbox: InboxStore, step: Step, number: number) {
  const { deliveries } = await inbox.list(3, undefined)
  if (step.kind === 'put') {
    await inbox.put(deliveryOf(number, { runId: step.run })).catch(() => undefined)
  } else if (step.kind === 'end') {
    const ended = deliveries[step.at]
    if (ended !== undefined) await inbox.update(ended.key, { state: 'recorded' })
  } else if (deliveries.some(({ runId }) => runId === step.run)) {
    await inbox.pinEpoch(step.run, number)
  }
}

test('a pin stays as long as a delivery of its run is kept, and goes with the last', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { minLength: 20, maxLength: 40 }), async (steps) => {
      const inbox = await smallInbox()
      const first = new Map<string, number>()
      for (const [number, step] of steps.entries()) {
        await take(inbox, step, number)
        const kept = (await inbox.list(3, undefined)).deliveries.map(({ runId }) => runId)
        for (const run of RUNS) {
          const pinned = await inbox.epochOf(run)
          if (!kept.includes(run)) first.delete(run)
          else if (!first.has(run) && pinned !== undefined) first.set(run, pinned)
          expect(pinned).toBe(first.get(run))
        }
      }
    }),
    { numRuns: 300 }
  )
})

test('an inbox whose store failed acknowledges nothing', async () => {
  const store = await openMemoryStore()
  await store.inbox.put(deliveryOf(1))
  await store.distrust('a peer saw more')

  const calls = [
    store.inbox.put(deliveryOf(1)),
    store.inbox.put(deliveryOf(2)),
    store.inbox.get('demo/msg-1'),
    store.inbox.undone(),
    store.inbox.nextGwSeq(),
    store.inbox.pinEpoch('RUN1', 1)
  ]
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
})

/** An inbox for three deliveries. */
async function smallInbox(): Promise<InboxStore> {
  return await inboxOver(await memoryDatabase())
}

async function inboxOver(database: Database): Promise<InboxStore> {
  const parts = { database, tally: new Tally(), onFailure: () => undefined }
  const committer = new Committer(parts, { dir: '/dev/null', wseq: 0 })
  const reader = new Reader({ database, committer }, { dir: '/dev/null' })
  return await LevelInboxStore.open({ reader, committer }, { keptMax: 3 })
}
