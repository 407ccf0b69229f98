import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { JOIN_STRING_CHARACTERS_MAX } from '../../../protocol/core/join-limits.ts'
import { ADDRESSES_MAX } from '../../../protocol/core/limits.ts'
import { inviteIdOf, isJoinMac, joinMac } from '../../../protocol/wire/join-proof.ts'
import {
  decodeJoinString,
  encodeJoinString,
  type JoinTicket
} from '../../../protocol/wire/join-string.ts'
import { sha256 } from '../../../protocol/wire/statement.ts'
import { hex, peerIds } from './draws.ts'

const roles = fc.subarray(['agent', 'gateway', 'operator'] as const, { minLength: 1 })

const tickets: fc.Arbitrary<JoinTicket> = fc.record({
  authority: peerIds,
  inviter: peerIds,
  addresses: fc.array(fc.constantFrom('/ip4/10.0.0.7/tcp/4471', '/dns/onyx.example/tcp/1'), {
    maxLength: ADDRESSES_MAX
  }),
  secret: hex(16),
  roles,
  isWitness: fc.boolean(),
  expiresMs: fc.integer({ min: 1, max: 2 ** 52 })
})

const [TICKET] = fc.sample(tickets, { numRuns: 1, seed: 3 }) as [JoinTicket]
const STRING = encodeJoinString(TICKET)

/** What decoding says is wrong. */
function problemOf(text: string): string {
  try {
    decodeJoinString(text)
  } catch (error) {
    if (error instanceof MeshError && error.code === 'JOIN_STRING_INVALID') return error.message
    throw error
  }
  return ''
}

const wrapped = (bytes: Uint8Array): string =>
  `rmj1.${Buffer.concat([bytes, sha256(bytes).subarray(0, 4)]).toString('base64url')}`

describe('a join string', () => {
  test('comes out as it went in, whatever space is around it', () => {
    fc.assert(
      fc.property(tickets, (ticket) => {
        const text = encodeJoinString(ticket)
        expect(text).toMatch(/^rmj1\.[\w-]+$/)
        expect(decodeJoinString(`  ${text}\n`)).toStrictEqual(structuredClone(ticket))
      })
    )
  })

  test('fits a line of a message for a host with one address', () => {
    const ticket = { ...TICKET, roles: ['agent'] as const, addresses: ['/ip4/10.0.0.7/tcp/4471'] }

    expect(encodeJoinString(ticket).length).toBeLessThan(200)
  })

  test('that was cut or mistyped anywhere is told so, and not repeated', () => {
    for (let at = 5; at < STRING.length; at++) {
      const other = STRING[at] === 'A' ? 'B' : 'A'
      const cut = STRING.slice(0, at)
      const mistyped = `${cut}${other}${STRING.slice(at + 1)}`
      for (const text of [cut, mistyped]) {
        const problem = problemOf(text)
        expect(problem, text).toContain('it is cut short or mistyped')
        expect(problem).not.toContain(text.slice(5, 25) || 'rmj1.x')
      }
    }
  })

  test.each([
    ['empty', '', 'it is empty'],
    ['a peer id', '12D3KooWabc', 'it does not start with rmj1.'],
    ['of a later release', 'rmj2.AAAA', 'it is of another release'],
    ['with a mark behind it', `${STRING}!`, 'it has characters that no join string has'],
    ['endless', `rmj1.${'A'.repeat(JOIN_STRING_CHARACTERS_MAX)}`, 'characters long'],
    ['of other content', wrapped(Uint8Array.of(1, 2, 3)), 'it holds what no `agent invite` prints'],
    ['of no content', wrapped(new Uint8Array(0)), 'it holds what no `agent invite` prints']
  ])('that is %s is refused', (_name, text, problem) => {
    expect(problemOf(text)).toContain(problem)
  })

  test('of any characters is read or refused, never more', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(problemOf(text)).not.toBe('')
        expect(problemOf(`rmj1.${text}`)).not.toBe('')
      })
    )
  })

  test('with too many addresses cannot be made', () => {
    const addresses = new Array(ADDRESSES_MAX + 1).fill('/ip4/10.0.0.7/tcp/1')

    expect(() => encodeJoinString({ ...TICKET, addresses })).toThrow(/addresses/)
  })
})

describe('the proof of an invite', () => {
  const secret = '0b'.repeat(16)
  const peers = { inviter: TICKET.inviter, joiner: TICKET.authority }
  const claim = Uint8Array.of(1, 2, 3)
  const mac = joinMac(secret, peers, claim)

  test('holds for these peers, this claim and this secret only', () => {
    expect(isJoinMac(mac, secret, peers, claim)).toBe(true)
    expect(isJoinMac(mac, '0c'.repeat(16), peers, claim)).toBe(false)
    const swapped = { inviter: peers.joiner, joiner: peers.inviter }
    expect(isJoinMac(mac, secret, swapped, claim)).toBe(false)
    expect(isJoinMac(mac, secret, peers, Uint8Array.of(1, 2, 4))).toBe(false)
    expect(isJoinMac(mac.subarray(1), secret, peers, claim)).toBe(false)
    expect(isJoinMac(new Uint8Array(0), secret, peers, claim)).toBe(false)
  })

  test('and its id show nothing of the secret', () => {
    expect(inviteIdOf(secret)).toMatch(/^[0-9a-f]{16}$/)
    expect(inviteIdOf(secret)).not.toContain('0b0b')
    expect(inviteIdOf(secret)).not.toBe(inviteIdOf('0c'.repeat(16)))
  })
})
