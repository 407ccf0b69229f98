import { expect, test } from 'vitest'
import type { Equivocation } from '../../../../protocol/core/equivocation.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { AnnouncedNumbers } from '../../../../protocol/mesh/announcements/announced-numbers.ts'
import { AnnouncementShelf } from '../../../../protocol/mesh/announcements/announcement-shelf.ts'
import { Background } from '../../../../protocol/mesh/bounds/background.ts'
import { keyOfSeed, sealRun } from '../../../support/memory-mesh.ts'

const key = await keyOfSeed(1)
const other = await keyOfSeed(2)
const announce = (commit: string, gwSeq: number, by = key) => {
  return sealRun(by, { jobs: [{}], commit, gwSeq, wallMs: 1_000 })
}

function open() {
  const heard: Equivocation[] = []
  const background = new Background(silentLog(), 4)
  const shelf = new AnnouncementShelf(
    { announcement: async () => undefined },
    { onPut: (sealed) => numbers.hear(sealed) }
  )
  const equivocations = { hear: (one: Equivocation) => void heard.push(one) }
  const numbers = new AnnouncedNumbers({ shelf, equivocations, background })
  return { shelf, heard, settled: () => background.stop() }
}

test('two announcements of one gateway under one number are a contradiction', async () => {
  const { shelf, heard, settled } = open()
  const [first, second] = [announce('aa', 7), announce('bb', 7)]
  shelf.put(first)
  shelf.put(second)
  await settled()

  expect(heard).toEqual([{ kind: 'announcements', peer: key.peerId, first, second }])
})

test('the same announcement again, another number and another gateway are none', async () => {
  const { shelf, heard, settled } = open()
  shelf.put(announce('aa', 7))
  for (const each of [announce('aa', 7), announce('bb', 8), announce('bb', 7, other)]) {
    shelf.put(each)
  }
  await settled()

  expect(heard).toEqual([])
})
