import { cp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { foundMesh } from '../../agent/enrolment.ts'
import { resetWitness } from '../../agent/witness-reset.ts'
import { codeOf } from '../../protocol/core/errors.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { openStateStore } from '../../protocol/mesh/members/identity.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { temporaryFolder } from '../support/store-folder.ts'

const clock = systemClock()

async function founded() {
  const paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  const addresses = ['/ip4/10.0.0.7/tcp/4471']
  const first = { name: 'onyx', addresses, zone: 'onyx', lease: 'default' } as const
  const made = await foundMesh(paths, first, clock)
  const lose = () => writeFile(join(paths.store, 'SUSPECT'), 'a record is gone\n')
  const seat = async () => {
    const book = await RosterBook.open(paths.rosters, made.authority, clock)
    return book.current()?.roster.members[0]?.witness?.storeId
  }
  const storeId = async () => {
    const options = { create: false, openedBy: 'agent' } as const
    const store = await openStateStore(paths, made.peerId, options)
    await store.close()
    return store.storeId
  }
  const aside = async () => {
    return (await readdir(paths.state)).filter((name) => name.startsWith('store.aside-'))
  }
  return { paths, first: made.storeId, lose, seat, storeId, aside }
}

test('of two resets at once one is done, and the other finds nothing wrong', async () => {
  const { paths, lose, seat, storeId, aside } = await founded()
  await lose()
  const reset = () => resetWitness({ paths, clock }, { sure: false }).then(() => 'done', codeOf)

  const ends = await Promise.all([reset(), reset(), reset()])

  expect(ends.sort()).toEqual(['RESET_UNNEEDED', 'RESET_UNNEEDED', 'done'])
  expect(await aside()).toHaveLength(1)
  expect(await seat()).toBe(await storeId())
})

test('a copy of a store that was replaced before is not signed in again', async () => {
  const { paths, first, lose, seat, storeId, aside } = await founded()
  const backup = join(paths.state, 'backup')
  await cp(paths.store, backup, { recursive: true })
  await lose()
  await resetWitness({ paths, clock }, { sure: false })
  await rm(paths.store, { recursive: true })
  await cp(backup, paths.store, { recursive: true })

  await resetWitness({ paths, clock }, { sure: false })

  expect(await storeId()).not.toBe(first)
  expect(await seat()).toBe(await storeId())
  expect(await aside()).toHaveLength(2)
})

test('a sound store that is given up is kept whole', async () => {
  const { paths, first, seat, storeId, aside } = await founded()

  await resetWitness({ paths, clock }, { sure: true })

  expect(await seat()).toBe(await storeId())
  const [kept = ''] = await aside()
  await rm(paths.store, { recursive: true })
  await cp(join(paths.state, kept), paths.store, { recursive: true })
  expect(await storeId()).toBe(first)
})
