import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { MESSAGES, type MessageKind, SEALED } from './message-table.ts'

// Hundreds of thousands of refusals are raised here; their stacks are most of the time.
Error.stackTraceLimit = 0

const REFUSALS: ReadonlySet<string> = new Set([
  'MESSAGE_INVALID',
  'MESSAGE_TOO_LARGE',
  'ANNOUNCEMENT_INVALID',
  'ROSTER_INVALID'
])
const ALL = [...MESSAGES, ...SEALED]
const FOUR = { minLength: 4, maxLength: 4 }

// Several times what they take: the machine may have other work.
vi.setConfig({ testTimeout: 30_000 })

/** What `bytes` decode to; undefined where they are refused. Any other throw fails the test. */
function tryDecode(kind: MessageKind, bytes: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: kind.decode(bytes) }
  } catch (error) {
    if (!(error instanceof MeshError && REFUSALS.has(error.code))) throw error
    return undefined
  }
}

/** Refused, or the one encoding of another value. */
function expectOtherOrRefused(kind: MessageKind, original: Uint8Array, bytes: Uint8Array): void {
  if (Buffer.compare(original, bytes) === 0) return
  const decoded = tryDecode(kind, bytes)
  if (decoded === undefined) return
  expect(Buffer.compare(kind.encode(structuredClone(decoded.value)), bytes)).toBe(0)
  expect(decoded.value).not.toStrictEqual(kind.decode(original))
}

describe.each(ALL.map((kind) => [kind.name, kind] as const))('%s', (_name, kind) => {
  test('comes out as it went in', () => {
    fc.assert(
      fc.property(kind.arbitrary, (value) => {
        const bytes = Uint8Array.from(kind.encode(value))
        expect(kind.decode(bytes)).toStrictEqual(value)
      }),
      { numRuns: 150 }
    )
  })

  test('encodes equal values to equal bytes', () => {
    fc.assert(
      fc.property(kind.arbitrary, (value) => {
        const again = structuredClone(value)
        expect(Buffer.compare(kind.encode(value), kind.encode(again))).toBe(0)
      }),
      { numRuns: 40 }
    )
  })

  test('with an unknown field is refused', () => {
    fc.assert(
      fc.property(kind.arbitrary, (value) => {
        // Field 200, varint, value 1: what a newer version might add.
        const bytes = Buffer.concat([kind.encode(value), Uint8Array.of(0xc0, 0x0c, 0x01)])
        expect(tryDecode(kind, bytes)).toBeUndefined()
      }),
      { numRuns: 25 }
    )
  })

  test('cut short is refused or is another message', () => {
    fc.assert(
      fc.property(kind.arbitrary, fc.nat(), (value, cut) => {
        const bytes = kind.encode(value)
        const kept = bytes.subarray(0, cut % Math.max(1, bytes.length))
        expectOtherOrRefused(kind, bytes, kept)
      }),
      { numRuns: 40 }
    )
  })
})

test('one flipped bit gives a refusal or another value with other bytes, never a crash', () => {
  fc.assert(
    fc.property(fc.constantFrom(...MESSAGES), fc.integer(), fc.nat(), (kind, seed, place) => {
      const [value] = fc.sample(kind.arbitrary, { numRuns: 1, seed })
      const bytes = kind.encode(value)
      const flipped = Buffer.from(bytes)
      if (flipped.length === 0) return
      const bit = place % (flipped.length * 8)
      const at = Math.floor(bit / 8)
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (bit % 8)), at)
      expectOtherOrRefused(kind, bytes, flipped)
    }),
    { numRuns: 1_500 }
  )
})

test('one flipped bit anywhere in a sealed envelope is refused', () => {
  for (const kind of SEALED) {
    const [value] = fc.sample(kind.arbitrary, { numRuns: 1, seed: 5 })
    const bytes = kind.encode(value)
    for (let bit = 0; bit < bytes.length * 8; bit += 13) {
      const flipped = Buffer.from(bytes)
      const at = Math.floor(bit / 8)
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (bit % 8)), at)
      expect(tryDecode(kind, flipped), `${kind.name}, bit ${bit}`).toBeUndefined()
    }
  }
})

test('a field written twice, out of order, or with its default is refused', () => {
  const hint = ALL.find((kind) => kind.name === 'roster hint')
  if (hint === undefined) throw new Error('no roster hint')
  expect(hint.decode(Uint8Array.of(0x08, 1, 0x10, 2))).toEqual({ version: 1, witnessEpoch: 2 })
  const others = {
    twice: [0x08, 1, 0x08, 1, 0x10, 2],
    'out of order': [0x10, 2, 0x08, 1],
    'its default': [0x08, 0, 0x10, 2],
    'a long varint': [0x08, 0x81, 0x00, 0x10, 2],
    'another wire type': [0x0d, 1, 0, 0, 0, 0x10, 2],
    'a number over 2**53': [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x10, 2],
    'a group': [0x08, 1, 0x10, 2, 0x1b, 0x1c]
  }
  for (const [problem, bytes] of Object.entries(others)) {
    expect(tryDecode(hint, Uint8Array.from(bytes)), problem).toBeUndefined()
  }
})

test('10 000 random byte strings raise nothing but refusals, in four decoders each', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 96 }), fc.subarray(ALL, FOUR), (bytes, kinds) => {
      for (const kind of kinds) {
        const decoded = tryDecode(kind, bytes)
        if (decoded === undefined) continue
        expect(Buffer.compare(kind.encode(structuredClone(decoded.value)), bytes)).toBe(0)
      }
    }),
    { numRuns: 10_000 }
  )
})

test('bytes of one kind of message raise nothing but refusals in the decoder of another', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ALL),
      fc.constantFrom(...ALL),
      fc.integer(),
      (kind, other, seed) => {
        const [value] = fc.sample(kind.arbitrary, { numRuns: 1, seed })
        tryDecode(other, kind.encode(value))
      }
    ),
    { numRuns: 1_000 }
  )
})

test('a message that nests groups a hundred thousand deep is refused', () => {
  const deep = Buffer.alloc(100_000, 0x1b)
  for (const kind of ALL) expect(tryDecode(kind, deep), kind.name).toBeUndefined()
})

test('the input is not kept: bytes may be used again after decoding', () => {
  for (const kind of ALL.filter(({ name }) => name !== 'frame')) {
    const [value] = fc.sample(kind.arbitrary, { numRuns: 1, seed: 11 })
    const bytes = Buffer.from(kind.encode(value))
    const decoded = kind.decode(bytes)
    bytes.fill(0)
    expect(decoded, kind.name).toStrictEqual(value)
  }
})
