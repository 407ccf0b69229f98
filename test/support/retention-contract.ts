import { expect, test } from 'vitest'
import type { AcceptorRecord, RecordKey, WitnessStore } from '../../protocol/core/ports.ts'
import { acceptOf, hashOf, jobValue, promiseOf, runValue } from './store-records.ts'

type Use = () => WitnessStore

const at = (register: string, witnessEpoch = 1): RecordKey => ({ register, witnessEpoch })

async function save(store: WitnessStore, key: RecordKey, record: AcceptorRecord): Promise<number> {
  return await store.save({ key, record, announcement: undefined })
}

/** What every WitnessStore must do with floors, drops and tombstones (lease-protocol 4.10). */
export function retentionContract(store: Use): void {
  test('a floor rises and never goes back', async () => {
    expect(await store().floors()).toEqual(new Map())
    await store().raiseFloor('gateway-a', 7)
    await Promise.all([store().raiseFloor('gateway-a', 3), store().raiseFloor('gateway-b', 1)])

    expect(await store().floors()).toEqual(
      new Map([
        ['gateway-a', 7],
        ['gateway-b', 1]
      ])
    )
    await expect(store().raiseFloor('a/b', 1)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  test('what is dropped is neither loaded nor listed, and its tombstone stays', async () => {
    const announcement = { annHash: hashOf('RUN'), bytes: Uint8Array.from([1, 2, 3]) }
    const record = acceptOf(1, runValue('RUN'))
    await store().save({ key: at('RUN'), record, announcement })
    await save(store(), at('RUN.0'), acceptOf(1, jobValue('RUN.0', 1, 'succeeded')))
    await save(store(), at('RUN.0', 2), acceptOf(1, jobValue('RUN.0', 1)))

    const keys = [at('RUN'), at('RUN.0'), at('RUN.1')]
    const dropping = store().drop({ keys, annHashes: [hashOf('RUN')], wallMs: 1_000 })
    // On its way to the disk it is gone already: no read may show it once more.
    expect(await store().load(at('RUN.0'))).toBeUndefined()
    expect(await store().isDropped(at('RUN.0'))).toBe(true)
    await dropping

    for (const key of keys) {
      expect(await store().load(key)).toBeUndefined()
      expect(await store().isDropped(key)).toBe(true)
    }
    expect(await store().announcement(hashOf('RUN'))).toBeUndefined()
    expect(await store().isDropped(at('RUN.0', 2))).toBe(false)
    const { items } = await store().changes(0, 10, false)
    expect(items.map(({ register, witnessEpoch }) => [register, witnessEpoch])).toEqual([
      ['RUN.0', 2]
    ])
  })

  test('a drop that is said twice leaves one tombstone, with its first date', async () => {
    await save(store(), at('RUN'), acceptOf(1, runValue('RUN')))
    const drop = (wallMs: number) => store().drop({ keys: [at('RUN')], annHashes: [], wallMs })
    await Promise.all([drop(1_000), drop(2_000)])
    await drop(3_000)

    const dates: number[] = []
    await store().forget((droppedAtMs) => dates.push(droppedAtMs) < 0, '', 10)
    expect(dates).toEqual([1_000])
  })

  test('tombstones go when their time is over, page by page', async () => {
    for (const [index, wallMs] of [10, 20, 30, 40, 50].entries()) {
      await store().drop({ keys: [at(`RUN.${index}`)], annHashes: [], wallMs })
    }
    const isOver = (droppedAtMs: number): boolean => droppedAtMs !== 30
    let after: string | undefined = ''
    let pages = 0
    while (after !== undefined) {
      after = await store().forget(isOver, after, 2)
      pages += 1
    }

    expect(pages).toBe(3)
    const left = [0, 1, 2, 3, 4].map((index) => store().isDropped(at(`RUN.${index}`)))
    expect(await Promise.all(left)).toEqual([false, false, true, false, false])
  })

  test('the walk over all runs gives each whole, with promised registers, and loses none', async () => {
    for (const run of ['AAA', 'BBB', 'CCC']) {
      await save(store(), at(run), acceptOf(1, runValue(run)))
      await save(store(), at(`${run}.0`), acceptOf(1, jobValue(`${run}.0`, 1, 'failed')))
      await save(store(), at(`${run}.1`, 2), promiseOf(1))
    }
    const first = await store().runs('', 2)
    const second = await store().runs(first.next ?? '', 2)

    expect(first.next).toBe('BBB')
    expect(second.next).toBeUndefined()
    const runs = [...first.runs, ...second.runs]
    expect(runs.map((held) => held.map(({ register }) => register).sort())).toEqual([
      ['AAA', 'AAA.0', 'AAA.1'],
      ['BBB', 'BBB.0', 'BBB.1'],
      ['CCC', 'CCC.0', 'CCC.1']
    ])
    const promised = runs.flat().find(({ register }) => register === 'AAA.1')
    expect(promised).toEqual({ ...at('AAA.1', 2), phase: undefined, annHash: '' })
    const ended = runs.flat().find(({ register }) => register === 'AAA.0')
    expect(ended).toEqual({ ...at('AAA.0'), phase: 'failed', annHash: hashOf('AAA.0') })
  })
}
