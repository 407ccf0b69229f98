import { describe, expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { ADDRESSES_MAX, MEMBERS_MAX } from '../../../protocol/core/limits.ts'
import type { Member, Roster } from '../../../protocol/core/roster.ts'
import { lengthPrefix } from '../../../protocol/mesh/links/frame-writer.ts'
import { sealAnnouncement } from '../../../protocol/wire/announcement.ts'
import { Envelope } from '../../../protocol/wire/generated/envelope.ts'
import { isSigned } from '../../../protocol/wire/good-signatures.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { openRoster, sealRoster } from '../../../protocol/wire/roster-codec.ts'
import { signTogether } from '../../../protocol/wire/shared-signature.ts'
import { announcementBy, rosterOf } from './samples.ts'

const AUTHORITY = generateKey()
const OTHER = generateKey()
const ROSTER = rosterOf(AUTHORITY, generateKey())

const raw = (part: string | Uint8Array): Uint8Array => Buffer.from(part)

function refusal(task: () => unknown): string | undefined {
  try {
    task()
  } catch (error) {
    return `${codeOf(error)}: ${String(error)}`
  }
  return undefined
}

test('a sealed roster opens for its authority, with its hash', () => {
  const sealed = sealRoster(AUTHORITY, ROSTER)
  const opened = openRoster(Buffer.from(sealed.bytes), AUTHORITY.peerId)
  expect(opened.roster).toStrictEqual(ROSTER)
  expect(opened.hash).toBe(sealed.hash)
  expect(Buffer.compare(opened.bytes, sealed.bytes)).toBe(0)
})

describe('a roster is refused', () => {
  test('when another key signed it, whichever authority it names', () => {
    expect(refusal(() => sealRoster(OTHER, ROSTER))).toMatch(/^ROSTER_INVALID/)
    const foreign = sealRoster(OTHER, { ...ROSTER, authority: OTHER.peerId })
    expect(refusal(() => openRoster(foreign.bytes, AUTHORITY.peerId))).toMatch(
      /^ROSTER_INVALID: .*signed by/
    )
    const ours = sealRoster(AUTHORITY, ROSTER)
    expect(refusal(() => openRoster(ours.bytes, OTHER.peerId))).toMatch(/^ROSTER_INVALID/)
  })

  test('when it is an announcement that the authority signed', () => {
    const { bytes } = sealAnnouncement(AUTHORITY, announcementBy(AUTHORITY))
    expect(refusal(() => openRoster(bytes, AUTHORITY.peerId))).toMatch(/^ROSTER_INVALID/)
  })

  test('when its signature is one over many statements, however good', () => {
    const { bytes } = sealRoster(AUTHORITY, ROSTER)
    const envelope = Envelope.decode(bytes)
    const parts = ['runner-mesh-roster', '/runner-mesh/roster/1', envelope.payload]
    const signed = Buffer.concat(
      parts.flatMap((part) => [lengthPrefix(part.length), part].map(raw))
    )
    const [sig = ''] = signTogether(AUTHORITY, [signed, Buffer.from('another')])
    const signature = Uint8Array.from(Buffer.from(sig, 'hex'))
    expect(isSigned(AUTHORITY.peerId, signed, sig)).toBe(true)
    const shared = Envelope.encode({ ...envelope, signature })

    expect(refusal(() => openRoster(shared, AUTHORITY.peerId))).toMatch(/signature has 97 bytes/)
  })

  const [member] = ROSTER.members
  if (member === undefined) throw new Error('the sample has a member')
  const withMember = (changes: Partial<Member>): Roster => ({
    ...ROSTER,
    members: [{ ...member, ...changes }]
  })
  const refused: Record<string, Roster> = {
    'with a peer twice': { ...ROSTER, members: [member, { ...member, name: 'beta' }] },
    'with an even number of witnesses': { ...ROSTER, w: 2 as 3 },
    'with version 0': { ...ROSTER, version: 0 },
    'with too many members': {
      ...ROSTER,
      members: new Array<Member>(MEMBERS_MAX + 1).fill(member)
    },
    'with too many addresses': withMember({
      addresses: new Array<string>(ADDRESSES_MAX + 1).fill('/ip4/10.0.0.1/tcp/4471')
    }),
    'with a role that is none': withMember({ roles: ['admin' as 'agent'] }),
    'with a name of two lines': withMember({ name: 'a\nb' }),
    'with a nameless member': withMember({ name: '' }),
    'with a short store id': withMember({ witness: { storeId: '04', zone: '' } }),
    'with a peer id that is none': withMember({ peerId: '12D3' })
  }
  test.each(Object.entries(refused))('%s', (_name, roster) => {
    expect(refusal(() => sealRoster(AUTHORITY, roster))).toMatch(/^ROSTER_INVALID/)
  })
})
