import fc from 'fast-check'
import { expect, test } from 'vitest'
import { frameBytes } from '../../../protocol/wire/frame-bytes.ts'
import * as wire from '../../../protocol/wire/generated/frame.ts'

const FRAMES = fc.record({
  id: fc.oneof(fc.nat(), fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1)),
  kind: fc.constantFrom(
    wire.FrameKind.FRAME_KIND_UNSPECIFIED,
    wire.FrameKind.FRAME_KIND_REQUEST,
    wire.FrameKind.FRAME_KIND_RESPONSE,
    wire.FrameKind.FRAME_KIND_ERROR
  ),
  body: fc.uint8Array({ maxLength: 300 }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>,
  code: fc.oneof(fc.string({ maxLength: 20 }), fc.constant('﻿ä'), fc.constant(''))
})

/** The frame that the generated decoder reads, if these are its one encoding; else undefined. */
function readByGenerated(bytes: Uint8Array): wire.Frame | undefined {
  try {
    const frame = wire.Frame.decode(bytes)
    return Buffer.compare(wire.Frame.encode(frame), bytes) === 0 ? frame : undefined
  } catch {
    return undefined
  }
}

function readByHand(bytes: Uint8Array): wire.Frame | undefined {
  try {
    return frameBytes.decode(bytes)
  } catch {
    return undefined
  }
}

test('a frame has the bytes that generated code gives it, and is read back from them', () => {
  fc.assert(
    fc.property(FRAMES, (frame) => {
      const bytes = frameBytes.encode(frame)
      expect(Buffer.compare(bytes, wire.Frame.encode(frame))).toBe(0)
      expect(frameBytes.decode(bytes)).toEqual(frame)
    }),
    { numRuns: 500 }
  )
})

test('of damaged bytes, what is read is what generated code reads, one encoding each', () => {
  const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), kept: fc.nat() })
  fc.assert(
    fc.property(FRAMES, damage, (frame, { at, byte, kept }) => {
      const whole = Uint8Array.from(frameBytes.encode(frame))
      // In its head, where a change is another length, tag or number.
      if (whole.length > 0) whole[at % Math.min(16, whole.length)] = byte
      const bytes = kept % 3 === 0 ? whole.subarray(0, kept % (whole.length + 1)) : whole
      const found = readByHand(bytes)
      if (found === undefined) return
      expect(readByGenerated(bytes)).toEqual(found)
    }),
    { numRuns: 3_000 }
  )
})

test.each([
  ['a field twice', [0x08, 1, 0x08, 1]],
  ['a field out of order', [0x10, 1, 0x08, 1]],
  ['a zero that absence says', [0x08, 0, 0x10, 1]],
  ['an empty body that absence says', [0x10, 1, 0x1a, 0]],
  ['a number with a spare byte', [0x08, 0x81, 0x00, 0x10, 1]],
  ['a number over 35 bits', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ['a number over 32 bits', [0x08, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x10, 1]],
  ['a number that is cut short', [0x08, 0x80]],
  ['a body longer than its frame', [0x10, 1, 0x1a, 5, 1, 2]],
  ['a kind that there is not', [0x10, 4]],
  ['an unknown field', [0x10, 1, 0x28, 1]],
  ['a code that is no UTF-8', [0x10, 3, 0x22, 1, 0xff]]
])('%s is refused', (_name, bytes) => {
  expect(() => frameBytes.decode(Uint8Array.from(bytes))).toThrow()
})
