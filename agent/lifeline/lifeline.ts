import type { Clock } from '../../protocol/core/ports.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import type { Log } from '../../protocol/host/log.ts'
import { ownIdentity } from '../../protocol/host/process-identity.ts'
import { VERSION } from '../../protocol/host/version.ts'
import { type ChargeRecord, lifelinePaths, writeCharge } from './charge.ts'
import { LifelineKeeper, type LifelineProblem } from './keeper.ts'
import { launchGuardian } from './launch.ts'
import { tenureHolder } from './tenure.ts'

export interface LifelineParts {
  readonly clock: Clock
  readonly log: Log
}

export interface LifelineOptions {
  readonly state: string
  /** `own`: this agent starts its guardian; `external`: somebody else does. */
  readonly mode: 'own' | 'external'
  readonly charge: Omit<ChargeRecord, 'agent'>
}

/** The agent's end of its lifeline: says what to guard, and sees to it that somebody does. */
export class Lifeline {
  readonly #options: LifelineOptions
  readonly #keeper: LifelineKeeper

  constructor({ clock, log }: LifelineParts, options: LifelineOptions) {
    this.#options = options
    const { state, mode, charge } = options
    const { dir, socket, log: path } = lifelinePaths(state)
    const own = {
      launch: () => launchGuardian(state, path),
      holder: () => tenureHolder(dir)
    }
    const { peerId, storeId } = charge
    this.#keeper = new LifelineKeeper(
      { clock, log, own: mode === 'own' ? own : undefined },
      { socket, peerId, storeId, version: VERSION }
    )
  }

  get holds(): boolean {
    return this.#keeper.holds
  }

  onChange(listener: () => void): void {
    this.#keeper.onChange(listener)
  }

  problems(): readonly LifelineProblem[] {
    const problem = this.#keeper.problem()
    return problem === undefined ? [] : [problem]
  }

  /** Hands over what to guard, and begins to see to it. Throws STATE_UNWRITABLE. */
  async start(): Promise<void> {
    const { dir, charge } = lifelinePaths(this.#options.state)
    await makeStateFolder(dir)
    await writeCharge(charge, { ...this.#options.charge, agent: ownIdentity() })
    this.#keeper.start()
  }

  async stop(): Promise<void> {
    await this.#keeper.stop()
  }
}
