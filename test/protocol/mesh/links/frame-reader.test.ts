import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_WIRE_BYTES_MAX, FrameReader } from '../../../../protocol/mesh/links/frame-reader.ts'
import { lengthPrefix } from '../../../../protocol/mesh/links/frame-writer.ts'

/** What a stream would carry: every frame behind its length. */
function onTheWire(frames: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(frames.flatMap((frame) => [lengthPrefix(frame.length), frame]))
}

function readAll(reader: FrameReader, chunks: readonly Uint8Array[]): Uint8Array[] {
  return chunks.flatMap((chunk) => reader.push(chunk))
}

test('frames come out as they went in, however the stream is cut into chunks', () => {
  const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 })
  const cuts = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 })
  fc.assert(
    fc.property(frames, cuts, (sent, sizes) => {
      const bytes = onTheWire(sent)
      const chunks: Uint8Array[] = []
      for (let at = 0, n = 0; at < bytes.length; n += 1) {
        const size = sizes[n % sizes.length] ?? 1
        chunks.push(bytes.subarray(at, at + size))
        at += size
      }

      const received = readAll(new FrameReader('peer'), chunks)

      expect(received.map((frame) => [...frame])).toEqual(sent.map((frame) => [...frame]))
    })
  )
})

test('a frame of the largest size passes, whole or in parts', () => {
  const frame = new Uint8Array(FRAME_WIRE_BYTES_MAX).fill(7)
  const bytes = onTheWire([frame])
  const half = Math.floor(bytes.length / 2)
  const isFrame = (found: Uint8Array | undefined): boolean =>
    found !== undefined && Buffer.compare(found, frame) === 0

  expect(new FrameReader('peer').push(bytes).map(isFrame)).toEqual([true])
  const parts = [bytes.subarray(0, half), bytes.subarray(half)]
  expect(readAll(new FrameReader('peer'), parts).map(isFrame)).toEqual([true])
})

test('a longer frame is refused by its length alone, before any of it is kept', () => {
  const push = (): unknown => new FrameReader('peer').push(lengthPrefix(FRAME_WIRE_BYTES_MAX + 1))

  expect(push).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }))
})

test.each([
  ['an empty frame', [0]],
  ['a length that never ends', [0xff, 0xff, 0xff, 0xff, 1]],
  ['a length with a spare byte', [0x81, 0x00]]
])('%s is refused', (_name, bytes) => {
  const push = (): unknown => new FrameReader('peer').push(Uint8Array.from(bytes))

  expect(push).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID' }))
})

test('a frame that drips in byte by byte costs no more memory than it has bytes', () => {
  const reader = new FrameReader('peer')
  const bytes = onTheWire([new Uint8Array(500_000)])
  const beforeBytes = process.memoryUsage().arrayBuffers

  let complete = 0
  for (let at = 0; at < bytes.length; at += 1) {
    complete += reader.push(bytes.subarray(at, at + 1)).length
  }

  expect(complete).toBe(1)
  // Doubling keeps the sum of all buffers below four times the last one.
  expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(4 * bytes.length)
})
