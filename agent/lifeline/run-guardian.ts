import { writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { MeshError } from '../../protocol/core/errors.ts'
import { GUARDIAN_CALL_MS_MAX } from '../../protocol/core/limits.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import type { Log } from '../../protocol/host/log.ts'
import { isAlive, ownIdentity } from '../../protocol/host/process-identity.ts'
import { SignalOrders } from '../../protocol/host/signal-orders.ts'
import { VERSION } from '../../protocol/host/version.ts'
import { Engine } from '../execute/engine.ts'
import { BeatServer } from './beat-server.ts'
import { type ChargeRecord, lifelinePaths, readCharge } from './charge.ts'
import { hostProcesses } from './first-process.ts'
import { type Charge, type GuardedEngine, Guardian } from './guardian.ts'
import { LeaseFolders } from './lease-folders.ts'
import { takeTenure } from './tenure.ts'

/** Between this and the usual 0: the last of the host's processes that memory is taken from. */
const OOM_SCORE = -900
const PRIORITY = -10

export interface RunGuardianParts {
  readonly state: string
  readonly stay: boolean
  readonly log: Log
}

/**
 * `agent lifeline`: guards the containers of one state folder until its agent is gone and nothing
 * is left, or until a signal. Throws LIFELINE_RUNNING, STATE_ABSENT.
 */
export async function runGuardian({ state, stay, log }: RunGuardianParts): Promise<void> {
  await requireFolder(state)
  const paths = lifelinePaths(state)
  await makeStateFolder(paths.dir)
  const self = ownIdentity()
  const tenure = await takeTenure(paths.dir, self)
  if (tenure.kind === 'taken') throw new MeshError('LIFELINE_RUNNING', { state, pid: tenure.pid })
  preferSelf(log)
  const clock = systemClock()
  const charges = new Charges(paths.charge)
  let lookedMs: number | undefined
  const server = new BeatServer(() => ({
    guardian: self,
    version: VERSION,
    peerId: charges.record?.peerId ?? '',
    storeId: charges.record?.storeId ?? '',
    lookAgoMs: lookedMs === undefined ? null : clock.bootMs() - lookedMs
  }))
  const onLook = (): void => {
    const isFirst = lookedMs === undefined
    lookedMs = clock.bootMs()
    if (isFirst) server.send()
  }
  const orders = new SignalOrders()
  const stop = new AbortController()
  void orders.first.then(() => stop.abort())
  try {
    await server.listen(paths.socket)
    log.info({ pid: self.pid, state, stay }, 'guarding')
    const charge = (): Promise<Charge | undefined> => charges.now()
    const guardian = new Guardian(
      { clock, log, processes: hostProcesses, charge, onLook },
      { stay }
    )
    await guardian.run(stop.signal)
    log.info({ ordered: stop.signal.aborted }, 'guardian ended')
  } finally {
    orders.forget()
    await server.close()
  }
}

/** What to guard, as the agent last wrote it. */
class Charges {
  record: ChargeRecord | undefined
  readonly #path: string
  #engine: { readonly socket: string; readonly engine: GuardedEngine } | undefined

  constructor(path: string) {
    this.#path = path
  }

  async now(): Promise<Charge | undefined> {
    // A record that cannot be read any more changes nothing: the last one still holds.
    this.record = (await readCharge(this.#path)) ?? this.record
    if (this.record === undefined) return undefined
    const { peerId, storeId, leases, engine, agent } = this.record
    const labels = { 'runner-mesh.peer': peerId, 'runner-mesh.store': storeId }
    return {
      labels,
      leases: new LeaseFolders(leases),
      engine: this.#engineAt(engine),
      agentGone: !isAlive(agent)
    }
  }

  #engineAt(socket: string): GuardedEngine {
    if (this.#engine?.socket !== socket) {
      this.#engine = { socket, engine: Engine.local(socket, GUARDIAN_CALL_MS_MAX) }
    }
    return this.#engine.engine
  }
}

async function requireFolder(state: string): Promise<void> {
  const found = await stat(state).catch(() => undefined)
  if (found?.isDirectory() === true) return
  const fix = 'run `agent join` or `agent init` first, or give the --state of an agent'
  throw new MeshError('STATE_ABSENT', { state, file: 'folder', fix })
}

/** On a host that is out of memory or time it must still run. Needs rights that root has. */
function preferSelf(log: Log): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', String(OOM_SCORE))
    setPriority(PRIORITY)
  } catch {
    log.debug({}, 'not preferred by the kernel')
  }
}
