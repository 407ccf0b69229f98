import type { Clock } from '../../core/ports.ts'

/**
 * Resolves after `ms`, or at once when the signal is aborted; leaves no timer and no listener
 * behind.
 */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = () => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.arm(ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}

/**
 * Waits for `work`, but no longer than `ms`; what is late goes on unwatched. Rejects as the work
 * does in that time, and leaves no timer behind.
 */
export async function waitAtMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.arm(ms, resolve)
  try {
    await Promise.race([work, promise])
  } finally {
    cancel()
  }
}
