import { expect, test } from 'vitest'
import { OUTBOUND_BUFFER_BYTES_MAX } from '../../../../protocol/core/limits.ts'
import { FrameReader } from '../../../../protocol/mesh/links/frame-reader.ts'
import {
  type FrameSink,
  FrameWriter,
  OutboundBudget
} from '../../../../protocol/mesh/links/frame-writer.ts'

/** A stream that takes what it gets, or nothing while it is full. */
class TestSink implements FrameSink {
  writableNeedsDrain = false
  writeBufferLength = 0
  readonly sent: Uint8Array[] = []
  aborted: Error | undefined
  failure: Error | undefined
  readonly #listeners = new Set<() => void>()

  send(bytes: Uint8Array): boolean {
    if (this.failure !== undefined) throw this.failure
    this.sent.push(bytes)
    return true
  }

  abort(error: Error): void {
    this.aborted = error
  }

  addEventListener(_type: 'drain', listener: () => void): void {
    this.#listeners.add(listener)
  }

  removeEventListener(_type: 'drain', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  drain(): void {
    this.writableNeedsDrain = false
    for (const listener of this.#listeners) listener()
  }

  get listeners(): number {
    return this.#listeners.size
  }

  frames(): number[][] {
    const reader = new FrameReader('sink')
    return this.sent.flatMap((bytes) => reader.push(bytes)).map((frame) => [...frame])
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

test('all frames of one tick leave in one write, in order', async () => {
  const sink = new TestSink()
  const writer = new FrameWriter(new OutboundBudget())
  writer.attach(sink)

  for (const value of [1, 2, 3]) writer.push(Uint8Array.of(value))
  expect(sink.sent).toHaveLength(0)
  await turn()

  expect(sink.sent).toHaveLength(1)
  expect(sink.frames()).toEqual([[1], [2], [3]])
  expect(writer.bufferedBytes).toBe(0)
})

test('frames pushed before there is a stream leave with it', async () => {
  const sink = new TestSink()
  const writer = new FrameWriter(new OutboundBudget())
  writer.push(Uint8Array.of(1))
  await turn()

  writer.attach(sink)
  await turn()

  expect(sink.frames()).toEqual([[1]])
})

test('a full stream gets nothing until it has drained', async () => {
  const sink = new TestSink()
  sink.writableNeedsDrain = true
  const writer = new FrameWriter(new OutboundBudget())
  writer.attach(sink)
  writer.push(Uint8Array.of(1))
  await turn()
  expect(sink.sent).toHaveLength(0)

  sink.drain()
  await turn()

  expect(sink.frames()).toEqual([[1]])
})

test('a frame that nobody waits for any more does not leave', async () => {
  const sink = new TestSink()
  const writer = new FrameWriter(new OutboundBudget())
  const queued = writer.push(Uint8Array.of(1))
  writer.push(Uint8Array.of(2))
  if (queued === undefined) throw new Error('not queued')

  writer.withdraw(queued)
  writer.attach(sink)
  await turn()

  expect(sink.frames()).toEqual([[2]])
})

test('what waits for one peer is bounded over all its streams', () => {
  const budget = new OutboundBudget()
  const [first, second] = [new FrameWriter(budget), new FrameWriter(budget)]
  const half = new Uint8Array(OUTBOUND_BUFFER_BYTES_MAX / 2 - 16)

  expect(first.push(half)).toBeDefined()
  expect(second.push(half)).toBeDefined()
  expect(first.push(half)).toBeUndefined()
  expect(budget.bufferedBytes()).toBeLessThanOrEqual(OUTBOUND_BUFFER_BYTES_MAX)

  second.close()
  expect(first.push(half)).toBeDefined()
})

test('bytes that the stream itself still holds count as well', () => {
  const sink = new TestSink()
  sink.writeBufferLength = OUTBOUND_BUFFER_BYTES_MAX
  const writer = new FrameWriter(new OutboundBudget())
  writer.attach(sink)

  expect(writer.push(Uint8Array.of(1))).toBeUndefined()
  expect(writer.push(Uint8Array.of(1), 16)).toBeDefined()
})

test('a stream that refuses a write is ended, and nothing throws', async () => {
  const sink = new TestSink()
  sink.failure = new Error('closing')
  const writer = new FrameWriter(new OutboundBudget())
  writer.attach(sink)
  writer.push(Uint8Array.of(1))
  await turn()

  expect(sink.aborted).toBeDefined()
})

test('a closed writer holds no listener, no bytes and no place in the budget', () => {
  const sink = new TestSink()
  const budget = new OutboundBudget()
  const writer = new FrameWriter(budget)
  writer.attach(sink)
  writer.push(Uint8Array.of(1))

  writer.close()

  expect(sink.listeners).toBe(0)
  expect(writer.bufferedBytes).toBe(0)
  expect(budget.unused).toBe(true)
})
