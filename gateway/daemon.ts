import { causeOf } from '../protocol/core/errors.ts'
import { SHUTDOWN_MS_MAX } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import { systemClock } from '../protocol/host/clock.ts'
import { DiskWatch } from '../protocol/host/disk-watch.ts'
import { Failure } from '../protocol/host/failure.ts'
import { createLog, type Log } from '../protocol/host/log.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { removePid, writePid } from '../protocol/host/pid-lock.ts'
import { SignalOrders } from '../protocol/host/signal-orders.ts'
import { loadKey, openDaemonStore, readAuthority } from '../protocol/mesh/identity.ts'
import { RosterBook } from '../protocol/mesh/roster-book.ts'
import type { GatewaySettings } from './config.ts'
import { Gateway } from './gateway.ts'
import { loadRepositories } from './repositories.ts'

export interface DaemonOptions {
  /** The state folder exists. */
  readonly paths: StatePaths
  readonly settings: GatewaySettings
  /** The settings as their file says now. */
  readonly reload: () => Promise<GatewaySettings>
}

/**
 * `gateway start`: opens what must be there, serves until a signal, and closes in the opposite
 * order. SIGTERM finishes what is in flight, a second one (or SIGINT) does not wait; SIGHUP reads
 * the repositories again. Rejects with STORE_FAILED where the store failed: nothing more is taken.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { paths, settings } = options
  const log = createLog({ name: 'gateway', level: settings.logLevel })
  const repositories = await loadRepositories(settings, paths.config)
  const key = await loadKey(paths.key)
  const authority = await readAuthority(paths)
  const clock = systemClock()
  const disk = await DiskWatch.open({ clock, log }, paths)
  const failure = new Failure()
  const onFailure = failure.raise
  const opening = { create: false, openedBy: 'gateway', onFailure }
  const store = await openDaemonStore(paths, key.peerId, opening, clock)
  try {
    await writePid(paths.pid)
    disk.start()
    const book = await RosterBook.open(paths.rosters, authority, clock)
    const parts = { paths, settings, repositories, log, key, store, book, clock, disk, onFailure }
    const gateway = new Gateway(parts)
    const orders = new SignalOrders({ hangUp: () => reload(gateway, options, log) })
    await supervise({ gateway, failure: failure.raised, orders, clock, log })
  } finally {
    await disk.stop()
    await store.close()
    await removePid(paths.pid)
  }
}

/** Never rejects: a broken file must not take a running gateway down, what was before stays. */
async function reload(gateway: Gateway, options: DaemonOptions, log: Log): Promise<void> {
  try {
    await gateway.reload(await loadRepositories(await options.reload(), options.paths.config))
  } catch (error) {
    log.error({ cause: causeOf(error) }, 'settings not read again')
  }
}

interface Supervision {
  readonly gateway: Gateway
  readonly failure: Promise<never>
  readonly orders: SignalOrders
  readonly clock: Clock
  readonly log: Log
}

async function supervise({ gateway, failure, orders, clock, log }: Supervision): Promise<void> {
  try {
    await Promise.race([gateway.start(), orders.second, failure])
    await Promise.race([orders.first, failure])
    log.info('stopping')
  } catch (error) {
    log.fatal({ err: error }, 'gateway failed')
    throw error
  } finally {
    // After a failed start or store too: connections and timers would keep the process alive.
    await stopWithin(gateway, orders, clock, log)
    orders.forget()
  }
}

async function stopWithin(
  gateway: Gateway,
  orders: SignalOrders,
  clock: Clock,
  log: Log
): Promise<void> {
  const limit = Promise.withResolvers<'limit'>()
  const disarm = clock.arm(SHUTDOWN_MS_MAX, () => limit.resolve('limit'))
  const stopped = gateway.stop(SHUTDOWN_MS_MAX / 4).then(
    () => 'stopped' as const,
    (error: unknown) => {
      log.error({ cause: causeOf(error) }, 'stop failed')
      return 'failed' as const
    }
  )
  const outcome = await Promise.race([stopped, limit.promise, orders.second])
  disarm()
  log.info({ outcome: outcome ?? 'hurried' }, 'gateway stopped')
}
