import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RunOrigin } from '../../../protocol/core/run.ts'
import { isRunId } from '../../../protocol/wire/ids.ts'
import { crockford32, runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { origins } from './manifest-arbitraries.ts'

const PUSH: RunOrigin = {
  forgeHost: 'git.example:3000',
  repositoryId: '42',
  event: 'push',
  ref: 'refs/heads/main',
  commit: '9fceb02d0ae598e95dc970b74767f19372d61af8',
  number: '',
  action: '',
  rerunNonce: ''
}

/** Lease-protocol 4.1 once more, on a number of 128 bits instead of a stream of bytes. */
function derived(origin: RunOrigin): string {
  const { forgeHost, repositoryId, event, ref, commit, number, action, rerunNonce } = origin
  const hash = createHash('sha256')
  for (const field of [
    'runner-mesh.run.v1',
    forgeHost,
    repositoryId,
    event,
    ref,
    commit,
    number,
    action,
    rerunNonce
  ]) {
    const bytes = new TextEncoder().encode(field)
    const length = new DataView(new ArrayBuffer(4))
    length.setUint32(0, bytes.length)
    hash.update(new Uint8Array(length.buffer)).update(bytes)
  }
  let rest = BigInt(`0x${hash.digest('hex').slice(0, 32)}`) << 2n
  let text = ''
  for (let place = 0; place < 26; place += 1) {
    text = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.charAt(Number(rest & 31n)) + text
    rest >>= 5n
  }
  return text
}

// Made with Python: hashlib, struct.pack('>I', ...) and a 32-character alphabet.
const GOLDEN: readonly (readonly [Partial<RunOrigin>, string])[] = [
  [{}, 'BFX70RDZCMQGD0X9X1V8S7D8HM'],
  [{ rerunNonce: 'again' }, 'ZX8PTK0091CW1AT5W4CP4Z8D64'],
  [{ repositoryId: '/gruppe/größe', ref: 'refs/heads/構建' }, 'ZFFR3H7JKAZR59RM1RPQS5CB1R']
]

test.each(GOLDEN)('a golden origin %o gives %s', (changes, id) => {
  expect(runIdOfOrigin({ ...PUSH, ...changes })).toBe(id)
})

test('every origin gives the id that an independent derivation gives', () => {
  fc.assert(
    fc.property(origins, (origin) => {
      expect(runIdOfOrigin(origin)).toBe(derived(origin))
      expect(isRunId(runIdOfOrigin(origin))).toBe(true)
    })
  )
})

test('any two origins that differ in one field give two ids', () => {
  const changes: Partial<RunOrigin>[] = [
    { forgeHost: 'git.example' },
    { repositoryId: '43' },
    { ref: 'refs/heads/next' },
    { commit: '9fceb02d0ae598e95dc970b74767f19372d61af9' },
    { number: '1' },
    { action: '1' },
    { rerunNonce: '1' }
  ]
  const ids = [PUSH, ...changes.map((change) => ({ ...PUSH, ...change }))].map(runIdOfOrigin)
  expect(new Set(ids).size).toBe(ids.length)
})

test('text that moves over a field border gives another id', () => {
  const [a, b] = [
    { ...PUSH, number: 'ab', action: 'c' },
    { ...PUSH, number: 'a', action: 'bc' }
  ]
  expect(runIdOfOrigin(a)).not.toBe(runIdOfOrigin(b))
})

test('base 32 reads five bits a character from the first bit on', () => {
  expect(crockford32(Uint8Array.of())).toBe('')
  expect(crockford32(Uint8Array.of(0xff))).toBe('ZW')
  expect(crockford32(Uint8Array.of(0x00, 0x44, 0x32, 0x14, 0xc7))).toBe('01234567')
  expect(crockford32(new Uint8Array(16))).toBe('0'.repeat(26))
})
