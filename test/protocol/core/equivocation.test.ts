import { expect, test } from 'vitest'
import { subjectOf } from '../../../protocol/core/equivocation.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import { keyOfSeed, sealRun } from '../../support/memory-mesh.ts'

const key = await keyOfSeed(1)
const seal = (commit: string, wallMs: number) => {
  return sealRun(key, { jobs: [{}], commit, gwSeq: 7, wallMs })
}
const subject = (first: SealedAnnouncement, second: SealedAnnouncement): string => {
  return subjectOf({ kind: 'announcements', peer: key.peerId, first, second })
}

test('two announcements under one number are told by number and runs', () => {
  const [one, again, other] = [seal('aa', 1_000), seal('aa', 2_000), seal('bb', 1_000)]
  const [run, another] = [one.announcement.runId, other.announcement.runId]

  expect(subject(one, other)).toBe(
    `two announcements under number 7, of runs ${run} and ${another}`
  )
  expect(subject(one, again)).toBe(`two announcements under number 7, of run ${run}`)
})
