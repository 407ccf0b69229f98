import { causeOf } from '../protocol/core/errors.ts'
import { SHUTDOWN_MS_MAX } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Log } from '../protocol/host/log.ts'

/** What a daemon does with its agent; `Agent` is the real one. */
export interface Supervised {
  start(): Promise<void>
  /** Finishes what runs, claims nothing new. */
  drain(): Promise<void>
  /** Gives back what is held and leaves. */
  stop(): Promise<void>
  /** Fail-stop: promises made so far hold, nothing more is promised (rule D6). */
  abandon(): Promise<void>
}

export interface Supervision {
  readonly agent: Supervised
  /** Rejects where nothing may be promised any more; never resolves. */
  readonly failure: Promise<never>
  /** SIGTERM once; again, or SIGINT. */
  readonly orders: { readonly first: Promise<void>; readonly second: Promise<void> }
  readonly clock: Clock
  readonly log: Log
}

/**
 * Runs the agent until it is ordered to end, or has failed. Rejects with what it failed with; in
 * every case nothing of it runs any more, or has been waited for SHUTDOWN_MS_MAX.
 */
export async function supervise(parts: Supervision): Promise<void> {
  const { agent, failure, orders, log } = parts
  try {
    await Promise.race([agent.start(), orders.second, failure])
    await Promise.race([orders.first, failure])
    log.info('draining')
    await Promise.race([agent.drain(), orders.second, failure])
    log.info('stopping')
    await Promise.race([within(parts, agent.stop()), failure])
  } catch (error) {
    log.fatal({ err: error }, 'agent failed')
    // Timers and connections would keep the process alive, and with it all that it claims to hold.
    await within(parts, agent.abandon())
    throw error
  }
}

/** Waits for the end of `ending`, but not for ever: an engine or a disk may hang. Never rejects. */
async function within({ clock, log }: Supervision, ending: Promise<void>): Promise<void> {
  const limit = Promise.withResolvers<'limit'>()
  const disarm = clock.arm(SHUTDOWN_MS_MAX, () => limit.resolve('limit'))
  const ended = ending.then(
    () => 'stopped' as const,
    (error: unknown) => {
      log.error({ cause: causeOf(error) }, 'stop failed')
      return 'failed' as const
    }
  )
  const outcome = await Promise.race([ended, limit.promise])
  disarm()
  log.info({ outcome }, 'agent stopped')
}
