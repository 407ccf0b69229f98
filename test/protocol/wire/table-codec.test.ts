import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runIdOf } from '../../../protocol/core/run.ts'
import { announcementBytes } from '../../../protocol/wire/announcement-tables.ts'
import type { Generated } from '../../../protocol/wire/codec.ts'
import * as announcement from '../../../protocol/wire/generated/announcement.ts'
import * as wire from '../../../protocol/wire/generated/register.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { announcementToWire } from '../../../protocol/wire/manifest-parts.ts'
import { encodeRecord } from '../../../protocol/wire/record-codec.ts'
import {
  encodeRegisterReply,
  encodeRegisterRequest
} from '../../../protocol/wire/register-codec.ts'
import * as tables from '../../../protocol/wire/register-tables.ts'
import { encodeValue } from '../../../protocol/wire/value-codec.ts'
import { manifests } from './arbitraries.ts'
import { records, replies, requests, values } from './register-arbitraries.ts'

import { JOB_ID } from './samples.ts'

/* What protons generates from the schemas is the oracle of the tables that stand for it. */

interface Pair {
  readonly table: Generated<unknown>
  readonly generated: Generated<unknown>
  readonly bytes: fc.Arbitrary<Uint8Array>
}

const pair = <Domain, Wire>(
  table: Generated<Wire>,
  generated: Generated<Wire>,
  domain: fc.Arbitrary<Domain>,
  encode: (value: Domain) => Uint8Array
): Pair => ({
  table: table as Generated<unknown>,
  generated: generated as Generated<unknown>,
  bytes: domain.map((value) => Uint8Array.from(encode(value)))
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

const PAIRS: Readonly<Record<string, Pair>> = {
  value: pair(tables.registerValues, wire.RegisterValue, values, encodeValue),
  request: pair(tables.registerRequests, wire.RegisterRequest, requests, encodeRegisterRequest),
  reply: pair(tables.registerReplies, wire.RegisterReply, replies, encodeRegisterReply),
  announcement: pair(
    announcementBytes,
    announcement.Announcement,
    manifests.map((manifest) => ({ ...HEADING, manifest })),
    (value) => announcement.Announcement.encode(announcementToWire(value))
  ),
  record: pair(tables.acceptorRecords, wire.AcceptorRecord, records, encodeRecord)
}

/** Undefined where `task` throws. */
function tried<T>(task: () => T): T | undefined {
  try {
    return task()
  } catch {
    return undefined
  }
}

/** What generated code reads, where writing it again gives the same bytes. */
function oracle({ generated }: Pair, bytes: Uint8Array): unknown {
  const message = tried(() => generated.decode(bytes))
  if (message === undefined) return undefined
  const again = tried(() => generated.encode(message as object))
  return again !== undefined && Buffer.compare(again, bytes) === 0 ? message : undefined
}

describe.each(Object.entries(PAIRS))('%s', (_name, one) => {
  test('tables write and read as generated code does', () => {
    fc.assert(
      fc.property(one.bytes, (bytes) => {
        const message = one.generated.decode(bytes)
        const read = one.table.decode(bytes)
        expect(Buffer.compare(one.generated.encode(read as object), bytes)).toBe(0)
        expect(Buffer.compare(one.table.encode(message as object), bytes)).toBe(0)
      }),
      { numRuns: 200 }
    )
  })

  test('of changed bytes tables read exactly what generated code writes again as they are', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(3), twice: fc.nat(3) })
    fc.assert(
      fc.property(one.bytes, change, (bytes, { at, byte, cut, twice }) => {
        const place = at % Math.max(1, bytes.length)
        const changed = Uint8Array.from([
          ...bytes.subarray(0, place),
          byte,
          ...bytes.subarray(Math.min(place + cut, place + twice, bytes.length))
        ])
        const expected = oracle(one, changed)
        const read = tried(() => one.table.decode(changed))
        expect(read === undefined).toBe(expected === undefined)
        if (read !== undefined) {
          expect(Buffer.compare(one.table.encode(read as object), changed)).toBe(0)
        }
      }),
      { numRuns: 2_000 }
    )
  })
})

test('a message larger than the buffer that it is written in comes out as generated code writes it', () => {
  const blob = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(size).fill(7)
  for (const size of [60_000, 65_530, 65_536, 70_000, 300_000]) {
    const accept = {
      scope: undefined,
      ballot: { round: 3, peer: 'p'.repeat(200), boot: blob(8) },
      value: blob(size),
      proposerSig: blob(64),
      announcement: blob(size)
    }
    const message = { accept } as unknown as Partial<wire.RegisterRequest>
    const bytes = tables.registerRequests.encode(message)
    expect(Buffer.compare(bytes, wire.RegisterRequest.encode(message))).toBe(0)
    expect(
      Buffer.compare(tables.registerRequests.encode(tables.registerRequests.decode(bytes)), bytes)
    ).toBe(0)
  }
})
