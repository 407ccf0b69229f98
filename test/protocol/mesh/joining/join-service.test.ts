import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JOIN_ASKS_BURST } from '../../../../protocol/core/join-limits.ts'
import type { Member, SealedRoster } from '../../../../protocol/core/roster.ts'
import { InviteBook } from '../../../../protocol/mesh/joining/invite-book.ts'
import { JoinService, type Newcomer } from '../../../../protocol/mesh/joining/join-service.ts'
import {
  decodeJoinReply,
  encodeJoinClaim,
  encodeJoinRequest,
  type JoinClaim,
  type JoinReply
} from '../../../../protocol/wire/join-codec.ts'
import { inviteIdOf, joinMac } from '../../../../protocol/wire/join-proof.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { temporaryFolder } from '../../../support/gateway-rig.ts'
import { memberEntry, rosterOf } from '../../../support/mesh-nodes.ts'

const AUTHORITY = generateKey()
const [INVITER, BASALT, SLATE] = [generateKey().peerId, generateKey().peerId, generateKey().peerId]
const SECRET = '0b'.repeat(16)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let clock: FakeClock
let invites: InviteBook
let service: JoinService
let members: Member[]
/** What the next admission does before it is done. */
let beforeAdmission: () => void
let logged: string[]

beforeEach(async () => {
  folder = await temporaryFolder()
  clock = new FakeClock()
  invites = await InviteBook.open(join(folder.dir, 'invites'), clock)
  members = [memberEntry(INVITER, { name: 'onyx' })]
  beforeAdmission = () => undefined
  logged = []
  service = new JoinService({
    self: INVITER,
    invites,
    roster,
    seen: () => '/ip4/10.0.0.8/tcp/51234',
    admitter: { problemOf, admit },
    clock,
    log: pino({ level: 'debug' }, { write: (line) => logged.push(line) })
  })
  const expiresMs = clock.wallMs() + 60_000
  const invite = { id: inviteIdOf(SECRET), roles: ['agent'] as const, isWitness: false, expiresMs }
  await invites.add({ ...invite, secret: SECRET })
})

afterEach(() => folder.remove())

function roster(): SealedRoster {
  return { roster: rosterOf(AUTHORITY, members), hash: '', bytes: Uint8Array.of(members.length) }
}

async function problemOf({ name, peerId }: Newcomer) {
  const isTaken = members.some((one) => one.name === name && one.peerId !== peerId)
  return isTaken ? ('name_taken' as const) : undefined
}

async function admit({ peerId, name, addresses }: Newcomer): Promise<SealedRoster> {
  beforeAdmission()
  members.push(memberEntry(peerId, { name, addresses }))
  return roster()
}

async function ask(
  peerId: string,
  more: Partial<JoinClaim> = {},
  secret = SECRET
): Promise<JoinReply> {
  const claim = encodeJoinClaim({
    invite: inviteIdOf(SECRET),
    joiner: 'agent',
    name: 'basalt',
    storeId: '0a'.repeat(16),
    addresses: [],
    ports: [4_471],
    ...more
  })
  const mac = joinMac(secret, { inviter: INVITER, joiner: peerId }, claim)
  return decodeJoinReply(await service.handle(peerId, encodeJoinRequest({ claim, mac })))
}

test('the invite is burned before the roster is signed, and only its host may come back', async () => {
  beforeAdmission = () => {
    expect(invites.isOpen('stranger')).toBe(false)
    throw new Error('the power fails here')
  }
  await expect(ask(BASALT)).rejects.toThrow('the power fails here')
  beforeAdmission = () => undefined

  expect(await ask(SLATE)).toEqual({ kind: 'refused', reason: 'used' })
  expect(await ask(BASALT)).toEqual({ kind: 'admitted', roster: Uint8Array.of(2) })
  expect(members.map(({ peerId }) => peerId)).toEqual([INVITER, BASALT])
})

test('a host that comes back is looked at as it was the first time', async () => {
  beforeAdmission = () => {
    throw new Error('the power fails here')
  }
  await expect(ask(BASALT)).rejects.toThrow('the power fails here')
  beforeAdmission = () => undefined

  expect(await ask(BASALT, { name: 'onyx' })).toEqual({ kind: 'refused', reason: 'name_taken' })
  expect(await ask(BASALT, { ports: [] })).toEqual({ kind: 'refused', reason: 'address_absent' })
})

test.each([
  ['a taken name', { name: 'onyx' }, 'name_taken'],
  ['no address', { ports: [] }, 'address_absent'],
  ['a name that a terminal would run', { name: 'a b;c' }, 'not_admitted'],
  ['an address that delegates', { addresses: ['/dnsaddr/example.org'] }, 'not_admitted'],
  ['the program of another role', { joiner: 'gateway' as const }, 'other_role']
])('with %s a host is refused, and its invite stays good', async (_name, more, reason) => {
  expect(await ask(BASALT, more)).toEqual({ kind: 'refused', reason })

  expect(await ask(BASALT)).toMatchObject({ kind: 'admitted' })
})

test('whoever lacks the secret hears nothing of names and addresses', async () => {
  const forged = await ask(BASALT, { name: 'onyx' }, '0c'.repeat(16))

  expect(forged).toEqual({ kind: 'refused', reason: 'forged' })
})

test('a stranger that asks without end is neither answered nor logged without end', async () => {
  const asks = Array.from({ length: 200 }, (_, index) => () => {
    return ask(BASALT, { name: `n${index}` }, '0c'.repeat(16))
  })
  const codes: unknown[] = []
  for (const one of asks) codes.push(await one().catch((error: { code: string }) => error.code))

  expect(codes.filter((code) => code === 'OVERLOADED')).toHaveLength(200 - JOIN_ASKS_BURST)
  expect(logged.length).toBeLessThanOrEqual(JOIN_ASKS_BURST)
  await clock.advance(1_000)
  expect(await ask(BASALT)).toMatchObject({ kind: 'admitted' })
})

test('neither the secret nor the code of a joiner is logged', async () => {
  await ask(SLATE, {}, '0c'.repeat(16))
  await ask(BASALT)

  const text = logged.join('')
  expect(text).toContain('joiner admitted')
  expect(text).not.toContain(SECRET)
})
