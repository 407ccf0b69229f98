import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobPhase } from '../../protocol/core/job.ts'
import type { SyncItem } from '../../protocol/core/messages.ts'
import type { AcceptorRecord, WitnessStore } from '../../protocol/core/ports.ts'
import { retentionContract } from './retention-contract.ts'
import { acceptOf, hashOf, jobValue, promiseOf, runValue } from './store-records.ts'

export interface OpenedWitnessStore {
  readonly store: WitnessStore
  readonly close: () => Promise<void>
}

/** What every WitnessStore must do; `open` gives an empty one. */
export function witnessStoreContract(name: string, open: () => Promise<OpenedWitnessStore>): void {
  describe(`${name} keeps the rules of a witness store`, () => {
    let opened: OpenedWitnessStore
    const store: Use = () => opened.store
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(() => opened.close())

    recordRules(store)
    announcementRules(store)
    changeRules(store)
    retentionContract(store)

    test('any history is loaded and listed as a plain model has it', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const fresh = await open()
          try {
            await followsModel(fresh.store, steps)
          } finally {
            await fresh.close()
          }
        }),
        { numRuns: 15 }
      )
    }, 20_000)
  })
}

type Use = () => WitnessStore

function save(
  store: WitnessStore,
  register: string,
  record: AcceptorRecord,
  witnessEpoch = 1
): Promise<number> {
  return store.save({ key: { register, witnessEpoch }, record, announcement: undefined })
}

function recordRules(store: Use): void {
  test('it has a store id of 32 hex digits and knows nothing at first', async () => {
    expect(store().storeId).toMatch(/^[0-9a-f]{32}$/)
    expect(await store().load({ register: 'RUN.0', witnessEpoch: 1 })).toBeUndefined()
    expect(await store().announcement(hashOf('RUN'))).toBeUndefined()
    expect(await store().changes(0, 10, false)).toEqual({ items: [], next: 0, more: false })
  })

  test('a saved record is loaded again, under its own witness epoch only', async () => {
    await save(store(), 'RUN.0', promiseOf(3), 1)
    await save(store(), 'RUN.0', acceptOf(4, jobValue('RUN.0', 1)), 2)

    expect(await store().load({ register: 'RUN.0', witnessEpoch: 1 })).toEqual(promiseOf(3))
    const second = await store().load({ register: 'RUN.0', witnessEpoch: 2 })
    expect(second).toEqual(acceptOf(4, jobValue('RUN.0', 1)))
    expect(await store().load({ register: 'RUN.0', witnessEpoch: 3 })).toBeUndefined()
  })

  test('sequences rise, and a barrier tells at least that of each write before it', async () => {
    const first = await save(store(), 'RUN.0', promiseOf(1))
    const second = await save(store(), 'RUN.1', promiseOf(1))
    const writes = [save(store(), 'RUN.2', promiseOf(1)), save(store(), 'RUN.3', promiseOf(1))]
    const barrier = await store().barrier()

    expect(second).toBeGreaterThan(first)
    expect(barrier).toBeGreaterThanOrEqual(Math.max(...(await Promise.all(writes))))
    expect(await store().barrier()).toBe(barrier)
  })

  test('a promise that is on its way to the disk is not forgotten by a load', async () => {
    await save(store(), 'RUN.0', promiseOf(1))
    const writes = [save(store(), 'RUN.0', promiseOf(2)), save(store(), 'RUN.0', promiseOf(5))]

    expect(await store().load({ register: 'RUN.0', witnessEpoch: 1 })).toEqual(promiseOf(5))
    await Promise.all(writes)
    expect(await store().load({ register: 'RUN.0', witnessEpoch: 1 })).toEqual(promiseOf(5))
  })

  test('a write that comes in during a load is not overlooked by it', async () => {
    await save(store(), 'RUN.0', promiseOf(1))
    const loading = store().load({ register: 'RUN.0', witnessEpoch: 1 })
    const saving = save(store(), 'RUN.0', promiseOf(2))

    // What the load saw is one or the other; what comes after the write is the write.
    expect([1, 2]).toContain((await loading)?.promised.round)
    await saving
    expect(await store().load({ register: 'RUN.0', witnessEpoch: 1 })).toEqual(promiseOf(2))
  })
}

function announcementRules(store: Use): void {
  test('an announcement comes with the write that carries it', async () => {
    const bytes = Uint8Array.from({ length: 5_000 }, (_, index) => index % 251)
    const key = { register: 'RUN', witnessEpoch: 1 }
    const announcement = { annHash: hashOf('RUN'), bytes }
    await store().save({ key, record: acceptOf(1, runValue('RUN')), announcement })

    expect(Buffer.from((await store().announcement(hashOf('RUN'))) ?? [])).toEqual(
      Buffer.from(bytes)
    )
    expect(await store().announcement(hashOf('OTHER'))).toBeUndefined()
  })

  test('a register name that can be none is refused', async () => {
    for (const register of ['', 'a/b', 'RUN@2', 'x'.repeat(300), 'RUN\u0000']) {
      await expect(store().load({ register, witnessEpoch: 1 })).rejects.toMatchObject({
        code: 'REQUEST_INVALID'
      })
      await expect(save(store(), register, promiseOf(1))).rejects.toMatchObject({
        code: 'REQUEST_INVALID'
      })
    }
    await expect(store().announcement('../a')).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })
}

function changeRules(store: Use): void {
  test('changes list accepted registers only, each once, at its last change', async () => {
    await save(store(), 'RUN.0', promiseOf(1))
    await save(store(), 'RUN.1', acceptOf(1, jobValue('RUN.1', 1)))
    const second = await save(store(), 'RUN.2', acceptOf(1, jobValue('RUN.2', 1)))
    const third = await save(store(), 'RUN.1', acceptOf(2, jobValue('RUN.1', 2, 'leased')))

    const page = await store().changes(0, 10, false)
    const item = { witnessEpoch: 1, annHash: hashOf('RUN.1') }
    expect(page.items).toEqual([
      {
        ...item,
        register: 'RUN.2',
        seq: second,
        version: 1,
        phase: 'queued',
        annHash: hashOf('RUN.2')
      },
      { ...item, register: 'RUN.1', seq: third, version: 2, phase: 'leased' }
    ])
    expect(page).toMatchObject({ next: third, more: false })
    expect(await store().changes(third, 10, false)).toEqual({ items: [], next: third, more: false })
  })

  test('a promise alone does not move a register that peers have seen', async () => {
    const accepted = acceptOf(1, jobValue('RUN.0', 1))
    const seq = await save(store(), 'RUN.0', accepted)
    await save(store(), 'RUN.0', { ...accepted, promised: promiseOf(9).promised })

    expect((await store().changes(0, 10, false)).items.map((item) => item.seq)).toEqual([seq])
  })

  test('what is not synced yet is in no page', async () => {
    await save(store(), 'RUN.0', acceptOf(1, jobValue('RUN.0', 1)))
    const saving = save(store(), 'RUN.1', acceptOf(1, jobValue('RUN.1', 1)))
    const page = await store().changes(0, 10, false)

    expect(page.items.map(({ register }) => register)).toEqual(['RUN.0'])
    const seq = await saving
    expect((await store().changes(page.next, 10, false)).items).toMatchObject([{ seq }])
  })

  test('pages follow each other without a gap', async () => {
    for (let index = 0; index < 7; index += 1) {
      await save(store(), `RUN.${index}`, acceptOf(1, jobValue(`RUN.${index}`, 1)))
    }

    const first = await store().changes(0, 3, false)
    const second = await store().changes(first.next, 3, false)
    const third = await store().changes(second.next, 3, false)
    expect([first.more, second.more, third.more]).toEqual([true, true, false])
    const seen = [first, second, third].flatMap(({ items }) => items.map((item) => item.register))
    expect(seen).toEqual(Array.from({ length: 7 }, (_, index) => `RUN.${index}`))
  })

  test('open registers are queued and leased jobs, and all runs', async () => {
    const phases: JobPhase[] = ['queued', 'leased', 'succeeded', 'failed', 'errored', 'cancelled']
    for (const [index, phase] of phases.entries()) {
      await save(store(), `RUN.${index}`, acceptOf(1, jobValue(`RUN.${index}`, 1, phase)))
    }
    await save(store(), 'RUN', acceptOf(1, runValue('RUN')))

    const open = await pages(store(), true)
    expect(open.map((item) => item.register)).toEqual(['RUN.0', 'RUN.1', 'RUN'])
  })
}

interface Step {
  readonly register: number
  readonly witnessEpoch: number
  readonly accepts: boolean
  readonly phase: JobPhase
  readonly waits: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  register: fc.nat(3),
  witnessEpoch: fc.integer({ min: 1, max: 2 }),
  accepts: fc.boolean(),
  phase: fc.constantFrom('queued', 'leased', 'succeeded', 'errored'),
  waits: fc.boolean()
})

async function followsModel(store: WitnessStore, steps: readonly Step[]): Promise<void> {
  const model = new Map<string, AcceptorRecord>()
  const order: string[] = []
  const writes: Promise<number>[] = []
  for (const [
    index,
    { register: number, witnessEpoch, accepts, phase, waits }
  ] of steps.entries()) {
    const register = `RUN.${number}`
    const name = `${register}@${witnessEpoch}`
    const value = jobValue(register, index + 1, phase)
    const promised = promiseOf(index + 1).promised
    const record = accepts
      ? acceptOf(index + 1, value)
      : { promised, accepted: model.get(name)?.accepted }
    model.set(name, record)
    if (accepts && order.includes(name)) order.splice(order.indexOf(name), 1)
    if (accepts) order.push(name)
    const write = store.save({ key: { register, witnessEpoch }, record, announcement: undefined })
    writes.push(write)
    if (waits) await write
    expect(await store.load({ register, witnessEpoch })).toEqual(record)
  }
  const sequences = await Promise.all(writes)
  expect(sequences).toEqual([...sequences].sort((a, b) => a - b))

  const all = await pages(store, false)
  expect(all.map((item) => `${item.register}@${item.witnessEpoch}`)).toEqual(order)
  for (const item of all) {
    const value = model.get(`${item.register}@${item.witnessEpoch}`)?.accepted?.value
    expect(item).toMatchObject({ version: value?.version, phase: value?.phase })
  }
  const open = all.filter(
    ({ phase }) => phase === 'run' || phase === 'queued' || phase === 'leased'
  )
  expect(await pages(store, true)).toEqual(open)
}

/** All changes, in pages of two. */
async function pages(store: WitnessStore, openOnly: boolean): Promise<SyncItem[]> {
  const items: SyncItem[] = []
  let next = 0
  for (;;) {
    const page = await store.changes(next, 2, openOnly)
    items.push(...page.items)
    if (!page.more) return items
    expect(page.next).toBeGreaterThan(next)
    next = page.next
  }
}
