import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { foundMesh, MEMBERSHIP_MS } from '../../agent/enrolment.ts'
import { type StatePaths, statePaths } from '../../protocol/host/paths.ts'
import { readSecretFile } from '../../protocol/host/secret-file.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { keyFromBytes } from '../../protocol/wire/keys.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { temporaryFolder } from '../support/store-folder.ts'

const FIRST = {
  name: 'onyx',
  addresses: ['/ip4/10.0.0.7/tcp/4471'],
  zone: 'rack-1',
  lease: 'short'
} as const

let paths: StatePaths
let clock: FakeClock

beforeEach(async () => {
  paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  clock = new FakeClock()
})

test('the first roster has its founder alone: agent, witness and operator, for a year', async () => {
  const { peerId, storeId, authority } = await foundMesh(paths, FIRST, clock)

  const book = await RosterBook.open(paths.rosters, authority, clock)
  expect(book.current()?.roster).toEqual({
    version: 1,
    prevHash: '',
    witnessEpoch: 1,
    w: 1,
    lease: 'short',
    authority,
    members: [
      {
        peerId,
        name: 'onyx',
        roles: ['agent', 'witness', 'operator'],
        addresses: FIRST.addresses,
        witness: { storeId, zone: 'rack-1' },
        notAfterMs: clock.wallMs() + MEMBERSHIP_MS
      }
    ],
    revoked: []
  })
})

test('both keys are for this user alone, and the authority is another than the agent', async () => {
  const { peerId, authority } = await foundMesh(paths, FIRST, clock)

  for (const file of [paths.key, paths.authorityKey]) {
    expect((await stat(file)).mode & 0o777, file).toBe(0o600)
  }
  expect(keyFromBytes(await readSecretFile(paths.key)).peerId).toBe(peerId)
  expect(keyFromBytes(await readSecretFile(paths.authorityKey)).peerId).toBe(authority)
  expect(peerId).not.toBe(authority)
  expect((await readFile(paths.authority, 'utf8')).trim()).toBe(authority)
})

test('a mesh is never founded over another: nothing of it changes', async () => {
  const { authority } = await foundMesh(paths, FIRST, clock)
  const contents = async () =>
    Promise.all([paths.key, paths.authorityKey, paths.authority].map((file) => readFile(file)))
  const before = await contents()

  const second = foundMesh(paths, { ...FIRST, name: 'other' }, clock)

  await expect(second).rejects.toMatchObject({
    code: 'STATE_EXISTS',
    facts: { file: 'authority.key' }
  })
  expect(await contents()).toEqual(before)
  expect(await readdir(paths.rosters)).toEqual(['1.roster'])
  const book = await RosterBook.open(paths.rosters, authority, clock)
  expect(book.current()?.roster.members.map(({ name }) => name)).toEqual(['onyx'])
})

test('a host that joined another mesh cannot found one in the same state', async () => {
  await foundMesh(paths, FIRST, clock)
  await rm(paths.authorityKey)

  await expect(foundMesh(paths, FIRST, clock)).rejects.toMatchObject({
    code: 'STATE_EXISTS',
    facts: { file: 'authority' }
  })
  // A key left here would sign for a mesh that nobody is in.
  await expect(stat(paths.authorityKey)).rejects.toMatchObject({ code: 'ENOENT' })
})
