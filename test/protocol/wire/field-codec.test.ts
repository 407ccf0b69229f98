import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RegisterRequest } from '../../../protocol/core/messages.ts'
import type { Announcement } from '../../../protocol/core/run.ts'
import { runIdOf } from '../../../protocol/core/run.ts'
import type { Generated } from '../../../protocol/wire/codec.ts'
import { fieldCodec } from '../../../protocol/wire/field-codec.ts'
import { decodeFrame, encodeFrame } from '../../../protocol/wire/frame.ts'
import * as announcement from '../../../protocol/wire/generated/announcement.ts'
import * as frame from '../../../protocol/wire/generated/frame.ts'
import * as wire from '../../../protocol/wire/generated/register.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { readAnnouncement, writeAnnouncement } from '../../../protocol/wire/manifest-parts.ts'
import { decodeRecord, encodeRecord } from '../../../protocol/wire/record-codec.ts'
import {
  decodeRegisterReply,
  decodeRegisterRequest,
  encodeRegisterReply,
  encodeRegisterRequest
} from '../../../protocol/wire/register-codec.ts'
import { decodeValue, encodeValue } from '../../../protocol/wire/value-codec.ts'
import { frames } from './arbitraries.ts'
import { expectSameFields, readByGenerated } from './generated-oracle.ts'
import { manifests } from './manifest-arbitraries.ts'
import { records, replies, requests, values } from './register-arbitraries.ts'
import { BOOT, HASH, JOB_ID, jobAfter, OP_ID } from './samples.ts'

interface Pair {
  readonly domain: fc.Arbitrary<unknown>
  readonly encode: (value: unknown) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
  readonly generated: Generated<unknown>
}

const pair = <Domain, Wire>(
  domain: fc.Arbitrary<Domain>,
  encode: (value: Domain) => Uint8Array,
  decode: (bytes: Uint8Array) => Domain,
  generated: Generated<Wire>
): Pair => ({
  domain,
  encode: (value) => encode(value as Domain),
  decode,
  generated: generated as Generated<unknown>
})

const HEADING = {
  runId: runIdOf(JOB_ID),
  witnessEpoch: 3,
  gateway: generateKey().peerId,
  gwSeq: 300,
  issuedAtMs: 1_700_000_000_000,
  notAfterMs: 1_700_000_100_000,
  floor: 0
}
const ANNOUNCEMENTS = fieldCodec<Announcement>({
  what: 'announcement',
  bytesMax: 1_000_000,
  read: readAnnouncement,
  write: writeAnnouncement
})

const PAIRS: Readonly<Record<string, Pair>> = {
  value: pair(values, encodeValue, decodeValue, wire.RegisterValue),
  request: pair(requests, encodeRegisterRequest, decodeRegisterRequest, wire.RegisterRequest),
  reply: pair(replies, encodeRegisterReply, decodeRegisterReply, wire.RegisterReply),
  record: pair(records, encodeRecord, decodeRecord, wire.AcceptorRecord),
  frame: pair(frames, encodeFrame, decodeFrame, frame.Frame),
  announcement: pair(
    manifests.map((manifest) => ({ ...HEADING, manifest })),
    ANNOUNCEMENTS.encode,
    ANNOUNCEMENTS.decode,
    announcement.Announcement
  )
}

/** Undefined where `task` throws. */
function tried<T>(task: () => T): T | undefined {
  try {
    return task()
  } catch {
    return undefined
  }
}

describe.each(Object.entries(PAIRS))('%s', (_name, one) => {
  test('is written as generated code writes it, each field as the schema numbers it', () => {
    fc.assert(
      fc.property(one.domain, (value) => {
        const bytes = one.encode(value)
        const message = one.generated.decode(bytes)
        expect(Buffer.compare(one.generated.encode(message as object), bytes)).toBe(0)
        expectSameFields(message, value)
      }),
      { numRuns: 200 }
    )
  })

  test('of changed bytes, what is read is what generated code reads, one encoding each', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(3), twice: fc.nat(3) })
    let read = 0
    fc.assert(
      fc.property(one.domain, change, (value, { at, byte, cut, twice }) => {
        const bytes = one.encode(value)
        const place = at % Math.max(1, bytes.length)
        const changed = Uint8Array.from([
          ...bytes.subarray(0, place),
          byte,
          ...bytes.subarray(Math.min(place + cut, place + twice, bytes.length))
        ])
        const found = tried(() => one.decode(changed))
        if (found === undefined) return
        read += 1
        const message = readByGenerated(one.generated, changed)
        expect(message).toBeDefined()
        expectSameFields(message, found)
        expect(Buffer.compare(one.encode(structuredClone(found)), changed)).toBe(0)
      }),
      { numRuns: 2_000 }
    )
    expect(read).toBeGreaterThan(0)
  })
})

test('a message larger than the buffer that it is written in comes out as generated code writes it', () => {
  const key = generateKey()
  const value = jobAfter(key, { kind: 'create', annHash: HASH, attemptsMax: 3 })
  const ann = { gateway: key.peerId, gwSeq: 1, annHash: HASH }
  for (const size of [60_000, 65_000, 65_100, 65_530, 65_536, 70_000, 300_000]) {
    const accept: RegisterRequest = {
      kind: 'accept',
      scope: { register: JOB_ID, witnessEpoch: 1, storeId: OP_ID, ann },
      ballot: { round: 3, peer: key.peerId, boot: BOOT },
      value: { ...value, version: size },
      proposerSig: 'ab'.repeat(64),
      announcement: new Uint8Array(size).fill(7)
    }
    const bytes = encodeRegisterRequest(accept)
    expectSameFields(readByGenerated(wire.RegisterRequest as Generated<unknown>, bytes), accept)
    expect(decodeRegisterRequest(bytes)).toStrictEqual(accept)
  }
})

describe('a frame is refused', () => {
  test.each([
    ['with a field twice', [0x08, 1, 0x08, 1, 0x10, 1]],
    ['with a field out of order', [0x10, 1, 0x08, 1]],
    ['with a zero that absence says', [0x08, 0, 0x10, 1]],
    ['with an empty body that absence says', [0x10, 1, 0x1a, 0]],
    ['with a number with a spare byte', [0x08, 0x81, 0x00, 0x10, 1]],
    ['with a number over 35 bits', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x10, 1]],
    ['with a number over 32 bits', [0x08, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x10, 1]],
    ['with a number that is cut short', [0x10, 1, 0x1a, 0x80]],
    ['with a body longer than itself', [0x10, 1, 0x1a, 5, 1, 2]],
    ['with a kind that there is not', [0x10, 4]],
    ['without a kind', [0x08, 1]],
    ['with an unknown field', [0x10, 1, 0x28, 1]],
    ['with a code that is no UTF-8', [0x10, 3, 0x22, 1, 0xff]]
  ])('%s', (_name, bytes) => {
    expect(decodeFrame(Uint8Array.of(0x08, 1, 0x10, 1)).id).toBe(1)
    expect(() => decodeFrame(Uint8Array.from(bytes))).toThrow(/frame/)
  })
})
