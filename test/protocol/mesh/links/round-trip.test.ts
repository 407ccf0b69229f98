import type { Connection, Stream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { roundTrip } from '../../../../protocol/mesh/links/round-trip.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

/** As a stream whose other side has just closed it: sending throws, and its end is still told. */
class ClosedStream extends EventTarget {
  send(): boolean {
    throw new Error('the stream is closed')
  }

  abort(): void {
    this.dispatchEvent(new Event('close'))
  }
}

test('a peer that closes the stream of a ping at once fails the ping, and nothing else', async () => {
  const unhandled: unknown[] = []
  const note = (error: unknown): number => unhandled.push(error)
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', note)
  try {
    const stream = new ClosedStream() as unknown as Stream
    const connection = { newStream: () => Promise.resolve(stream) } as unknown as Connection
    await expect(roundTrip(connection, new FakeClock(), 1_000)).rejects.toThrow('is closed')
    // Told of in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
    for (const listener of others) process.on('unhandledRejection', listener)
  }
})
