import type { Socket } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { tunnel } from '../../../../agent/execute/egress/tunnel.ts'

const LIMITS = { idleMs: 300_000, halfOpenMs: 30_000 }

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** An end that reads nothing: no write to it is ever done. The kernel's buffers hide that else. */
function deaf(): Socket {
  const stream = new Duplex({ read: () => undefined, write: () => undefined })
  return Object.assign(stream, { destroySoon: () => void stream.end() }) as Duplex as Socket
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

test.each(['client', 'upstream'])(
  'a %s that is gone takes an end that is deaf with it',
  async (who) => {
    const talker = new PassThrough() as Duplex as Socket
    const listener = deaf()
    const [client, upstream] = who === 'client' ? [talker, listener] : [listener, talker]
    tunnel(client, upstream, Buffer.alloc(0), LIMITS)
    listener.write('its last words')
    talker.destroy()
    await turn()

    vi.advanceTimersByTime(LIMITS.halfOpenMs - 1)
    expect(listener.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(listener.destroyed).toBe(true)
  }
)
