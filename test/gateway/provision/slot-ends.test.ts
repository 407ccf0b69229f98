import { expect, test } from 'vitest'
import type { AttemptRow } from '../../../gateway/provision/provision-book.ts'
import type { Provisioned } from '../../../gateway/provision/repository-turn.ts'
import { RunnerNames } from '../../../gateway/provision/runner-name.ts'
import { SlotEnds } from '../../../gateway/provision/slot-ends.ts'

test("a busy runner of an organization stays its repository's, whoever's turn sees it first", async () => {
  const names = new RunnerNames('authority')
  const runId = '01JZ8Q7V5N3M2K4H6G8F0DBCA1'
  const slot = `${runId}.0`
  const rows = new Map<string, AttemptRow>()
  const begun = { kind: 'attempt', slot, epoch: 2, sinceMs: 5 } as const
  rows.set(slot, { ...begun, repository: 'team/kernel', isRegistered: true, tookJob: false })
  const book = {
    attempt: (wanted: string) => rows.get(wanted),
    begin: async (row: AttemptRow) => void rows.set(row.slot, row)
  }
  const ends = new SlotEnds({ book, names: () => names, clock: { wallMs: () => 9 } } as never)
  const other = { repository: { name: 'team/other' } } as Provisioned

  await ends.noteBusy(other, names.nameOf({ runId, epoch: 2 }))

  expect(rows.get(slot)).toMatchObject({ repository: 'team/kernel', tookJob: true, sinceMs: 5 })
})
