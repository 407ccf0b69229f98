import { expect, test } from 'vitest'
import { FloorKeeper } from '../../gateway/floor-keeper.ts'
import { FLOOR_READS_MAX, REDELIVERY_MS } from '../../protocol/core/limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { deliveryOf } from '../support/intake-rig.ts'
import { openMemoryStore } from '../support/memory-store.ts'

const DAY_MS = 86_400_000

/** A gateway that has announced runs 1 to `count`, all at once. */
async function announced(count: number) {
  const clock = new FakeClock()
  const { inbox } = await openMemoryStore()
  const delivery = deliveryOf(1)
  await inbox.put(delivery)
  for (let gwSeq = 1; gwSeq <= count; gwSeq += 1) {
    await inbox.nextGwSeq()
    const open = { gwSeq, runId: `RUN${gwSeq}`, witnessEpoch: 1, issuedAtMs: clock.wallMs() }
    await inbox.update(delivery.key, { open })
  }
  const asked: string[] = []
  const shown = new Map<string, boolean>()
  const closed = new Set<string>()
  const ending = {
    shown: (runId: string) => shown.get(runId),
    isClosed: async ({ runId }: { readonly runId: string }) => {
      asked.push(runId)
      return closed.has(runId)
    }
  }
  const lost = new Set<number>()
  const isLost = (witnessEpoch: number): boolean => lost.has(witnessEpoch)
  const keeper = new FloorKeeper({ inbox, ending, isLost, clock, log: silentLog() })
  return { clock, inbox, keeper, asked, shown, closed, lost }
}

test('a run that has ended closes its number only once nobody sends its push again', async () => {
  const { clock, inbox, keeper, shown } = await announced(2)
  shown.set('RUN1', true).set('RUN2', true)
  expect(await keeper.look()).toBe(0)
  expect(inbox.floor()).toBe(0)

  clock.jumpWall(REDELIVERY_MS + DAY_MS)
  expect(await keeper.look()).toBe(2)
  expect(inbox.floor()).toBe(2)
})

test('one open run holds the floor below it, whatever of the later ones has ended', async () => {
  const { clock, inbox, keeper, shown } = await announced(4)
  shown.set('RUN1', true).set('RUN2', false).set('RUN3', true).set('RUN4', true)
  clock.jumpWall(REDELIVERY_MS + DAY_MS)
  await keeper.look()

  expect(inbox.floor()).toBe(1)
  shown.set('RUN2', true)
  await keeper.look()
  expect(inbox.floor()).toBe(4)
})

test('runs that the board does not show are asked about, so many at a time, all in turn', async () => {
  const count = FLOOR_READS_MAX + 10
  const { clock, inbox, keeper, asked, closed } = await announced(count)
  for (let gwSeq = 2; gwSeq <= count; gwSeq += 1) closed.add(`RUN${gwSeq}`)
  clock.jumpWall(REDELIVERY_MS + DAY_MS)
  await keeper.look()
  expect(asked).toHaveLength(FLOOR_READS_MAX)
  await keeper.look()

  // The first one stays open, and keeps nobody behind it from being asked.
  expect(inbox.openAnnouncements().map(({ gwSeq }) => gwSeq)).toEqual([1])
  expect(inbox.floor()).toBe(0)
  closed.add('RUN1')
  await keeper.look()
  expect(inbox.floor()).toBe(count)
})

test('a look comes by itself, and none after the stop', async () => {
  const { clock, inbox, keeper, shown } = await announced(1)
  shown.set('RUN1', true)
  clock.jumpWall(REDELIVERY_MS + DAY_MS)
  keeper.start()
  await clock.until(() => inbox.floor() === 1, DAY_MS)
  await keeper.stop()

  expect(clock.armed()).toBe(0)
})

test('a run of a witness epoch that was given up holds the floor no longer', async () => {
  const { clock, inbox, keeper, asked, lost } = await announced(2)
  clock.jumpWall(REDELIVERY_MS + DAY_MS)
  await keeper.look()
  expect(inbox.floor()).toBe(0)

  lost.add(1)
  asked.length = 0
  await keeper.look()
  expect(asked).toEqual([])
  expect(inbox.floor()).toBe(2)
})
