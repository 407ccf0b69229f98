import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OutputPace } from '../../../agent/execute/output-pace.ts'
import {
  OUTPUT_BURST_BYTES,
  OUTPUT_BURST_LINES,
  OUTPUT_BYTES_PER_S,
  OUTPUT_LINES_PER_S
} from '../../../protocol/core/output-limits.ts'

const KIB = 1_024
const chunks = fc.record({
  afterMs: fc.nat(2_000),
  bytes: fc.integer({ min: 1, max: 64 * KIB }),
  share: fc.integer({ min: 0, max: 100 })
})

/** So many bytes, of which that share in a hundred ends a line. */
function written(bytes: number, share: number): { readonly chunk: Uint8Array; lines: number } {
  const chunk = new Uint8Array(bytes).fill(120)
  const lines = Math.floor((bytes * share) / 100)
  chunk.fill(10, 0, lines)
  return { chunk, lines }
}

test('over any time no more is read than the burst and what the rate gives for that time', () => {
  const property = fc.property(fc.array(chunks, { maxLength: 300 }), (each) => {
    let nowMs = 0
    const pace = new OutputPace(() => nowMs)
    const seen = { bytes: 0, lines: 0 }
    for (const { afterMs, bytes, share } of each) {
      // Whoever reads waits for as long as it was told, and then for as long as nothing comes.
      nowMs += pace.restMs() + afterMs
      const { chunk, lines } = written(bytes, share)
      pace.took(chunk)
      seen.bytes += bytes
      seen.lines += lines
      const s = nowMs / 1_000
      // One chunk more: it is measured once it is here.
      expect(seen.bytes - bytes).toBeLessThanOrEqual(OUTPUT_BURST_BYTES + s * OUTPUT_BYTES_PER_S)
      expect(seen.lines - lines).toBeLessThanOrEqual(OUTPUT_BURST_LINES + s * OUTPUT_LINES_PER_S)
    }
  })
  fc.assert(property)
})

test('whoever stays below both rates never waits', () => {
  let nowMs = 0
  const pace = new OutputPace(() => nowMs)
  for (let second = 0; second < 600; second++) {
    pace.took(written(OUTPUT_BYTES_PER_S / 64, 10).chunk)
    nowMs += 1_000
    expect(pace.restMs()).toBe(0)
  }
})

test('a wait is as long as the slower of the two buckets needs', () => {
  const pace = new OutputPace(() => 0)
  pace.took(new Uint8Array(OUTPUT_BURST_LINES + OUTPUT_LINES_PER_S).fill(10))
  expect(pace.restMs()).toBe(1_000)

  const other = new OutputPace(() => 0)
  other.took(new Uint8Array(OUTPUT_BURST_BYTES + 2 * OUTPUT_BYTES_PER_S))
  expect(other.restMs()).toBe(2_000)
})

test('a clock that stands still or goes back gives nothing away', () => {
  let nowMs = 10_000
  const pace = new OutputPace(() => nowMs)
  pace.took(new Uint8Array(OUTPUT_BURST_BYTES + OUTPUT_BYTES_PER_S))
  nowMs = 0
  expect(pace.restMs()).toBe(1_000)
})
