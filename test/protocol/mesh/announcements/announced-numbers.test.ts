import { expect, test } from 'vitest'
import {
  EQUIVOCATION_TRIES_MAX,
  EQUIVOCATION_TRY_MS
} from '../../../../protocol/core/equivocation-limits.ts'
import type { SealedAnnouncement } from '../../../../protocol/core/run.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { AnnouncedNumbers } from '../../../../protocol/mesh/announcements/announced-numbers.ts'
import { AnnouncementShelf } from '../../../../protocol/mesh/announcements/announcement-shelf.ts'
import { Background } from '../../../../protocol/mesh/bounds/background.ts'
import { Equivocations } from '../../../../protocol/mesh/members/equivocations.ts'
import { sealTogether } from '../../../../protocol/wire/announcement.ts'
import { keyOfSeed, sealRun } from '../../../support/memory-mesh.ts'
import { openMesh } from '../../../support/open-mesh.ts'

const [key, other, stranger] = await Promise.all([1, 2, 99].map((seed) => keyOfSeed(seed)))
if (key === undefined || other === undefined || stranger === undefined) throw new Error('no key')
const announce = (commit: string, gwSeq: number, by = key) => {
  return sealRun(by, { jobs: [{}], commit, gwSeq, wallMs: 1_000 })
}
/** Bytes of a shelf. */
const ROOM_FOR_TWO = 2 * announce('aa', 7).bytes.byteLength + 100
const settled = () => new Promise((resolve) => setImmediate(resolve))
/** The same, in other bytes: signed with another one in one tick. */
const anew = async ({ announcement }: SealedAnnouncement): Promise<SealedAnnouncement> => {
  const beside = announce('ee', 1_000_000).announcement
  const [again] = await Promise.all([announcement, beside].map((one) => sealTogether(key, one)))
  if (again === undefined) throw new Error('nothing was signed')
  return again
}

/** Members as of a roster with both keys; what is in the store is counted when it is read. */
async function open({ shelfBytesMax = 1_000_000 } = {}) {
  const { rosters, clock } = await openMesh()
  const stored = new Map<string, Uint8Array>()
  const reads: string[] = []
  const background = new Background(silentLog(), 1_000)
  const announcement = async (annHash: string) => {
    reads.push(annHash)
    return stored.get(annHash)
  }
  const shelf = new AnnouncementShelf(
    { announcement },
    { bytesMax: shelfBytesMax, onPut: (sealed) => numbers.hear(sealed) }
  )
  const equivocations = new Equivocations({ rosters, clock, log: silentLog() })
  const numbers = new AnnouncedNumbers({ shelf, equivocations, background })
  const found = async () => {
    await background.stop()
    return equivocations.list().map(({ kind, peer, subject }) => ({ kind, peer, subject }))
  }
  return { clock, shelf, stored, reads, found }
}

test('two announcements of one gateway under one number are a contradiction', async () => {
  const { shelf, found } = await open()
  const [first, second] = [announce('aa', 7), announce('bb', 7)]
  shelf.put(first)
  shelf.put(second)

  const runs = `${first.announcement.runId} and ${second.announcement.runId}`
  const subject = `two announcements under number 7, of runs ${runs}`
  expect(await found()).toEqual([{ kind: 'announcements', peer: key.peerId, subject }])
})

test('the same announcement again, another number and another gateway are none', async () => {
  const { shelf, found } = await open()
  const first = announce('aa', 7)
  shelf.put(first)
  const others = [announce('aa', 7), announce('bb', 8), announce('bb', 7, other)]
  for (const each of [...others, await anew(first)]) shelf.put(each)

  expect(await found()).toEqual([])
})

test('a contradiction is not hidden by the first announcement coming again, signed anew', async () => {
  const { shelf, found } = await open()
  const first = announce('aa', 7)
  const again = await anew(first)
  expect(again.annHash).not.toBe(first.annHash)
  for (const each of [first, again, announce('bb', 7)]) shelf.put(each)

  expect(await found()).toMatchObject([{ kind: 'announcements', peer: key.peerId }])
})

test('a contradiction is not hidden by another one of which the first half is nowhere', async () => {
  const { shelf, found } = await open({ shelfBytesMax: ROOM_FOR_TWO })
  shelf.put(announce('aa', 7))
  for (const number of [8, 9, 10]) shelf.put(announce('cc', number))
  shelf.put(announce('bb', 7))
  await settled()
  expect(await shelf.find(announce('aa', 7).annHash)).toBeUndefined()
  for (const commit of ['aa', 'bb']) shelf.put(announce(commit, 11))

  expect(await found()).toMatchObject([{ subject: expect.stringContaining('number 11') }])
})

test('of three announcements under one number, two that can be shown are enough', async () => {
  const { shelf, found } = await open({ shelfBytesMax: ROOM_FOR_TWO })
  shelf.put(announce('aa', 7))
  for (const number of [8, 9, 10]) shelf.put(announce('cc', number))
  shelf.put(announce('bb', 7))
  await settled()
  shelf.put(announce('dd', 7))

  const [bb, dd] = [announce('bb', 7), announce('dd', 7)].map((one) => one.announcement.runId)
  const subject = `two announcements under number 7, of runs ${bb} and ${dd}`
  expect(await found()).toMatchObject([{ subject }])
})

test('a stranger, and who announces much under used numbers, has the disk read for few of it', async () => {
  const { clock, shelf, stored, reads, found } = await open({ shelfBytesMax: 1 })
  const numbers = Array.from({ length: 3 * EQUIVOCATION_TRIES_MAX }, (_, at) => at + 1)
  const twice = (by: typeof key) => {
    for (const number of numbers) shelf.put(announce('aa', number, by))
    for (const number of numbers) shelf.put(announce('bb', number, by))
  }
  twice(stranger)
  await settled()
  expect(reads).toEqual([])

  twice(key)
  await settled()
  expect(reads).toHaveLength(EQUIVOCATION_TRIES_MAX)

  await clock.advance(EQUIVOCATION_TRY_MS)
  const kept = announce('bb', 1)
  stored.set(kept.annHash, kept.bytes)
  shelf.put(announce('dd', 1))
  expect(await found()).toMatchObject([{ kind: 'announcements', peer: key.peerId }])
})
