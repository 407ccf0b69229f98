import { join } from 'node:path'
import { expect, test } from 'vitest'
import { admitMember } from '../../agent/admission.ts'
import type { AdmitRequest } from '../../agent/control/contract.ts'
import { foundMesh } from '../../agent/enrolment.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { RosterBook } from '../../protocol/mesh/roster-book.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { temporaryFolder } from '../support/store-folder.ts'

/** The host with the authority's key, as its daemon has it. */
async function authorityHost() {
  const paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  const clock = new FakeClock()
  const first = { name: 'onyx', addresses: [], zone: 'onyx', lease: 'default' } as const
  const { authority } = await foundMesh(paths, first, clock)
  const book = await RosterBook.open(paths.rosters, authority, clock)
  return { paths, clock, book, reopen: () => RosterBook.open(paths.rosters, authority, clock) }
}

function request(name: string, peerId = generateKey().peerId): AdmitRequest {
  const storeId = Buffer.from(peerId.slice(-16)).toString('hex')
  const addresses = ['/ip4/10.0.0.8/tcp/4471']
  const id = `${peerId}/${storeId}`
  return { id, name, roles: ['agent'], addresses, witness: true, zone: name }
}

test('members that are admitted at once get a roster each, one after the other', async () => {
  const { book, reopen, ...parts } = await authorityHost()
  const names = ['basalt', 'gneiss', 'marble']

  const sealed = await Promise.all(
    names.map((name) => admitMember({ ...parts, book }, request(name)))
  )

  expect(sealed.map(({ roster }) => roster.version)).toEqual([2, 3, 4])
  expect(sealed.map(({ roster }) => roster.witnessEpoch)).toEqual([2, 3, 4])
  const members = (await reopen()).current()?.roster.members.map(({ name }) => name)
  expect(members).toEqual(['onyx', ...names])
})

test('two members of one name that are admitted at once are one, and one refusal', async () => {
  const { book, ...parts } = await authorityHost()

  const [one, two] = await Promise.allSettled(
    [request('basalt'), request('basalt')].map((each) => admitMember({ ...parts, book }, each))
  )

  expect(one).toMatchObject({ status: 'fulfilled' })
  expect(two).toMatchObject({ status: 'rejected', reason: { code: 'USAGE' } })
  expect(book.current()?.roster.members).toHaveLength(2)
})

test('a refused member leaves the roster as it is and the next one its version', async () => {
  const { book, ...parts } = await authorityHost()
  const admit = (each: AdmitRequest) => admitMember({ ...parts, book }, each)
  const taken = request('basalt')
  await admit(taken)

  await expect(admit({ ...request('gneiss'), id: 'no id' })).rejects.toMatchObject({
    code: 'USAGE'
  })
  const sameStore = `${generateKey().peerId}/${taken.id.split('/')[1]}`
  await expect(admit({ ...request('gneiss'), id: sameStore })).rejects.toMatchObject({
    code: 'ROSTER_INVALID'
  })

  expect((await admit(request('gneiss'))).roster.version).toBe(3)
})

test('without a roster nobody is admitted', async () => {
  const { paths, clock, book } = await authorityHost()
  const empty = await RosterBook.open(await temporaryFolder(), book.authority, clock)

  await expect(admitMember({ paths, clock, book: empty }, request('basalt'))).rejects.toMatchObject(
    { code: 'ROSTER_ABSENT' }
  )
})
