import { systemClock } from '../protocol/host/clock.ts'
import { makeStateFolder } from '../protocol/host/durable-file.ts'
import { Failure } from '../protocol/host/failure.ts'
import { createLog, type Log } from '../protocol/host/log.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { removePid, writePid } from '../protocol/host/pid-lock.ts'
import { SignalOrders } from '../protocol/host/signal-orders.ts'
import { loadKey, openStateStore, readAuthority } from '../protocol/mesh/identity.ts'
import { InviteBook } from '../protocol/mesh/invite-book.ts'
import { RosterBook } from '../protocol/mesh/roster-book.ts'
import { Agent } from './agent.ts'
import type { AgentSettings } from './config.ts'
import { Engine } from './execute/engine.ts'
import { probeHost } from './probe/probe.ts'

export interface DaemonOptions {
  readonly paths: StatePaths
  readonly settings: AgentSettings
}

/**
 * `agent start`: opens what must be there, runs the agent until a signal, and closes in the
 * opposite order. The first SIGTERM drains, a second one (or SIGINT) gives the leases back.
 */
export async function runDaemon({ paths, settings }: DaemonOptions): Promise<void> {
  await makeStateFolder(paths.state)
  const log = createLog({ name: 'agent', level: settings.logLevel })
  const key = await loadKey(paths.key)
  const authority = await readAuthority(paths)
  const failure = new Failure()
  const onFailure = failure.raise
  const options = { create: false, openedBy: 'agent', onFailure }
  const store = await openStateStore(paths, key.peerId, options)
  try {
    await writePid(paths.pid)
    const engine = Engine.local(settings.engine)
    const clock = systemClock()
    const host = await probeHost({ engine, settings: probeSettings(paths, settings) })
    const book = await RosterBook.open(paths.rosters, authority, clock)
    const invites = await InviteBook.open(paths.invites, clock)
    const parts = {
      paths,
      settings,
      log,
      key,
      store,
      engine,
      host,
      book,
      invites,
      clock,
      onFailure
    }
    const agent = new Agent(parts)
    await supervise(agent, failure.raised, log)
  } finally {
    await store.close()
    await removePid(paths.pid)
  }
}

function probeSettings(paths: StatePaths, settings: AgentSettings) {
  const { cpu, memory, jobs } = settings.capacity
  const cpuMilli = cpu === undefined ? undefined : Math.round(cpu * 1_000)
  const capacity = { cpuMilli, memoryBytes: memory, jobs }
  return { capacity, state: paths.state, busybox: settings.busybox }
}

async function supervise(agent: Agent, failure: Promise<never>, log: Log): Promise<void> {
  const signals = new SignalOrders()
  try {
    await Promise.race([agent.start(), failure])
    await Promise.race([signals.first, failure])
    log.info('draining')
    await Promise.race([agent.drain(), signals.second, failure])
    await Promise.race([agent.stop(), failure])
    log.info('stopped')
  } catch (error) {
    log.fatal({ err: error }, 'agent failed')
    // Fail-stop: promises made so far hold, nothing more is promised (rule D6).
    agent.abandon()
    throw error
  } finally {
    signals.forget()
  }
}
