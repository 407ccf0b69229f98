import { expect, test } from 'vitest'
import type { RowTable } from '../../../protocol/store/row-table.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'

async function rowsOf(table: RowTable): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const row of table.load()) rows.push(row)
  return rows
}

test('rows are there after a start, in the order of their numbers, each table its own', async () => {
  const dir = `${await temporaryFolder()}/store`
  const store = await storeIn(dir)
  await store.outbox.write([
    { number: 10, row: { a: 10 } },
    { number: 2, row: { a: 2 } }
  ])
  await store.heads.write([{ number: 2, row: { heads: true } }])
  await store.outbox.write([{ number: 3, row: { a: 3 } }], [10])
  await store.close()

  const again = await storeIn(dir)

  expect(await rowsOf(again.outbox)).toEqual([
    { number: 2, row: { a: 2 } },
    { number: 3, row: { a: 3 } }
  ])
  expect(await again.heads.read(2)).toEqual({ heads: true })
  expect(await again.heads.read(3)).toBeUndefined()
})
