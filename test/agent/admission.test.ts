import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { admitMember } from '../../agent/admission.ts'
import type { AdmitRequest } from '../../agent/control/contract.ts'
import { foundMesh, MEMBERSHIP_MS } from '../../agent/enrolment.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
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

  // Whose turn comes first is open.
  const ascending = (numbers: number[]): number[] => numbers.toSorted((a, b) => a - b)
  expect(ascending(sealed.map(({ roster }) => roster.version))).toEqual([2, 3, 4])
  expect(ascending(sealed.map(({ roster }) => roster.witnessEpoch))).toEqual([2, 3, 4])
  const members = (await reopen()).current()?.roster.members.map(({ name }) => name)
  expect(new Set(members)).toEqual(new Set(['onyx', ...names]))
  expect(members).toHaveLength(4)
})

test('two members of one name that are admitted at once are one, and one refusal', async () => {
  const { book, ...parts } = await authorityHost()

  const both = await Promise.allSettled(
    [request('basalt'), request('basalt')].map((each) => admitMember({ ...parts, book }, each))
  )

  // Which of them comes first is open.
  const refused = both.filter(({ status }) => status === 'rejected')
  expect(refused).toMatchObject([{ reason: { code: 'NAME_TAKEN' } }])
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

test("without the authority's key nobody is admitted, and the roster stays", async () => {
  const { book, ...parts } = await authorityHost()
  await rm(parts.paths.authorityKey)

  await expect(admitMember({ ...parts, book }, request('basalt'))).rejects.toMatchObject({
    code: 'AUTHORITY_ABSENT',
    facts: { state: parts.paths.state }
  })
  expect(book.current()?.roster.version).toBe(1)
})

test('each admission is the next version; the witness epoch rises with the witnesses only', async () => {
  const { book, ...parts } = await authorityHost()
  const seen: unknown[] = []
  const admit = async (each: AdmitRequest): Promise<void> => {
    const { roster } = await admitMember({ ...parts, book }, each)
    seen.push([roster.version, roster.witnessEpoch, roster.w])
  }
  const worker = { ...request('basalt'), witness: false }
  const witness = request('gneiss')

  await admit(worker)
  await admit(witness)
  await admit({ ...worker, addresses: ['/ip4/10.0.0.9/tcp/4471'] })
  await admit({ ...witness, addresses: ['/ip4/10.0.0.9/tcp/4471'], roles: ['agent', 'gateway'] })
  await admit({ ...witness, zone: 'rack-2' })
  await admit({ ...worker, witness: true })
  await admit({ ...worker, witness: false })

  expect(seen).toEqual([
    [2, 1, 1],
    [3, 2, 1],
    [4, 2, 1],
    [5, 2, 1],
    [6, 3, 1],
    [7, 4, 3],
    [8, 5, 1]
  ])
})

test('admitting a member again renews its entry and keeps it one', async () => {
  const { book, ...parts } = await authorityHost()
  const again = request('basalt')
  await admitMember({ ...parts, book }, again)
  await parts.clock.advance(1_000)

  const { roster } = await admitMember({ ...parts, book }, { ...again, name: 'slate' })

  const entries = roster.members.filter(({ peerId }) => again.id.startsWith(peerId))
  expect(entries).toMatchObject([
    { name: 'slate', notAfterMs: parts.clock.wallMs() + MEMBERSHIP_MS }
  ])
  expect(roster.members).toHaveLength(2)
})

test('a member has each role once, and a witness its store and zone', async () => {
  const { book, ...parts } = await authorityHost()
  const wish = { ...request('basalt'), roles: ['agent', 'gateway', 'agent'] as const }
  const admit = (each: AdmitRequest) => admitMember({ ...parts, book }, each)

  await admit({ ...wish, roles: [...wish.roles], zone: 'rack-2' })
  await admit({ ...request('gneiss'), witness: false })

  const [, witness, worker] = book.current()?.roster.members ?? []
  expect(witness).toMatchObject({
    roles: ['agent', 'gateway', 'witness'],
    witness: { storeId: wish.id.split('/')[1], zone: 'rack-2' }
  })
  expect(worker).toMatchObject({ roles: ['agent'], witness: undefined })
})

test.each(['', 'basalt', '12D3KooW/00', `${generateKey().peerId}`, `x/${'0'.repeat(32)}`])(
  'what is no id is refused before anything is signed: %s',
  async (id) => {
    const { book, ...parts } = await authorityHost()

    await expect(
      admitMember({ ...parts, book }, { ...request('basalt'), id })
    ).rejects.toMatchObject({ code: 'USAGE' })
    expect(book.current()?.roster.version).toBe(1)
  }
)

test('without a roster nobody is admitted', async () => {
  const { paths, clock, book } = await authorityHost()
  const empty = await RosterBook.open(await temporaryFolder(), book.authority, clock)

  await expect(admitMember({ paths, clock, book: empty }, request('basalt'))).rejects.toMatchObject(
    { code: 'ROSTER_ABSENT' }
  )
})
