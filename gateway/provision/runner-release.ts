import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import {
  PROVISION_ENDING_MAX,
  PROVISION_GIVEN_MAX,
  PROVISION_LOOK_MS_MAX
} from '../../protocol/core/provision-limits.ts'
import { type JobSpec, runIdOf } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'
import type { ForgeApi } from '../forge/forge-api.ts'
import type { RunnerApi, RunnerValues } from '../forge/runner-api.ts'
import type { Repository } from '../repositories.ts'
import type { GivenSeal } from './given-seal.ts'
import { entryOf, type Provision } from './provision.ts'
import type { AttemptRow, ProvisionBook } from './provision-book.ts'
import type { RunnerNames } from './runner-name.ts'

export interface RunnerReleaseParts {
  readonly repositories: { find(name: string): Repository | undefined }
  readonly apis: { of(repository: Repository): ForgeApi | undefined }
  readonly book: ProvisionBook
  /** Undefined before the first roster. */
  readonly names: () => RunnerNames | undefined
  readonly seal: GivenSeal
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Log
}

/** Whoever holds the lease of a slot asks for its runner. */
export interface RunnerOrder {
  /** `runId.0` */
  readonly slot: string
  readonly epoch: number
  /** Name of the repository in gateway.yaml. */
  readonly repository: string
  /** The forge's number of the job that the slot was started for. */
  readonly job: string
  readonly spec: Pick<JobSpec, 'runner'>
}

interface Made {
  readonly epoch: number
  values: Promise<RunnerValues | undefined>
  /** Once they are there: what the slot's log must not show. */
  shown: readonly string[]
}

/**
 * Registers a runner with its forge for one attempt of one slot. An attempt that asks again gets
 * what it got; another one never does: a runner that was begun with a configuration may be known to
 * its forge as the one that runs something.
 */
export class RunnerRelease {
  readonly #parts: RunnerReleaseParts
  /** By slot: the latest attempt of this process. In the book it is sealed. */
  readonly #made = new Map<string, Made>()
  /** Slots that are being ended: none of them gets a runner any more. */
  readonly #ending = new Lru<string, true>(PROVISION_ENDING_MAX)

  constructor(parts: RunnerReleaseParts) {
    this.#parts = parts
  }

  /**
   * Undefined where the slot gets none: its label set is not in gateway.yaml any more, a job was
   * seen on its runner before, the forge refuses. Rejects with FORGE_UNREACHABLE, FORGE_LIMITED,
   * the errors of the credential and STORE_FAILED, and may then be asked again.
   */
  async release(order: RunnerOrder): Promise<RunnerValues | undefined> {
    const { slot, epoch } = order
    // Its registration may be gone already: nobody is to begin with it now.
    if (this.#ending.has(slot)) return undefined
    const known = this.#made.get(slot)
    if (known?.epoch === epoch) return await known.values
    const made: Made = { epoch, values: Promise.resolve(undefined), shown: [] }
    this.#made.set(slot, made)
    made.values = this.#make(order, () => this.#made.get(slot) === made)
    try {
      const values = await made.values
      made.shown = Object.values(values ?? {})
      return values
    } catch (error) {
      // Kept, it would refuse this attempt for good.
      if (this.#made.get(slot) === made) this.#made.delete(slot)
      throw error
    }
  }

  /**
   * What this attempt was given, by this process or one before; undefined where it was given
   * nothing, or that cannot be read. Its forge is not asked: the runner that it was given for runs.
   */
  async given(slot: string, epoch: number): Promise<RunnerValues | undefined> {
    const { book, seal, log } = this.#parts
    const known = this.#made.get(slot)
    const values = known?.epoch === epoch ? await known.values : undefined
    if (values !== undefined) return values
    const attempt = book.attempt(slot)
    if (attempt?.epoch !== epoch || !attempt.isRegistered) return undefined
    try {
      return await seal.open(attempt, attempt.sealed)
    } catch (error) {
      log.error({ slot, epoch, ...failureFacts(error) }, 'what the slot was given is not known')
      return undefined
    }
  }

  /**
   * What the slot's log must not show. Rejects with SLOT_UNREADABLE, STATE_ABSENT, KEY_MODE_WIDE
   * and KEY_INVALID where its runner was configured with what is not known now: such a log must not
   * be kept.
   */
  async valuesOf(slot: string): Promise<readonly string[]> {
    const { book, seal } = this.#parts
    const shown = this.#made.get(slot)?.shown ?? []
    // One that was refused since says nothing of what the process before gave.
    if (shown.length > 0) return shown
    const attempt = book.attempt(slot)
    // Nothing has left this gateway before it knew that its forge had registered the runner.
    if (attempt === undefined || !attempt.isRegistered) return []
    return Object.values(await seal.open(attempt, attempt.sealed))
  }

  /** Its next attempt has an epoch that one of before had, and must not get what that one got. */
  beginAnew(slot: string): void {
    this.#made.delete(slot)
    // An end that was lost with the witnesses of before is ordered again where it is meant still.
    this.#ending.delete(slot)
  }

  /** From now on the slot gets no runner. */
  end(slot: string): void {
    this.#ending.set(slot, true)
  }

  /** How many of those are remembered. */
  get ending(): number {
    return this.#ending.size
  }

  /** It is not ended after all. */
  spare(slot: string): void {
    this.#ending.delete(slot)
  }

  /** Nothing of these is asked for any more: neither memory nor disk keeps it. */
  async forget(isOver: (slot: string) => Promise<boolean>): Promise<void> {
    const { book } = this.#parts
    const sealed = book.sealed().map(({ slot }) => slot)
    const over: string[] = []
    for (const slot of new Set([...this.#made.keys(), ...sealed])) {
      if (await isOver(slot)) over.push(slot)
    }
    for (const slot of over) this.#made.delete(slot)
    await book.unseal(over)
  }

  async #make(order: RunnerOrder, isLatest: () => boolean): Promise<RunnerValues | undefined> {
    const { log } = this.#parts
    const { slot, epoch, repository } = order
    const facts = { slot, epoch, repository }
    const signal = AbortSignal.timeout(PROVISION_LOOK_MS_MAX)
    try {
      const values = await this.#registered(order, isLatest, signal)
      log.info(facts, values === undefined ? 'no runner for the slot' : 'runner registered')
      return values
    } catch (error) {
      if (!(error instanceof MeshError) || error.kind.retry) throw error
      const { code } = error
      if (code === 'STORE_FAILED' || code === 'STORE_SUSPECT') throw error
      log.error({ ...facts, code, cause: causeOf(error) }, 'runner not registered')
      return undefined
    }
  }

  async #registered(
    order: RunnerOrder,
    isLatest: () => boolean,
    signal: AbortSignal
  ): Promise<RunnerValues | undefined> {
    const { book, seal, clock } = this.#parts
    const { slot, epoch } = order
    const place = this.#placeOf(order)
    if (place === undefined || this.#ending.has(slot)) return undefined
    const { provision, entry, api, naming } = place
    await this.#checkRoom(slot)
    const before = book.attempt(slot)
    if (before !== undefined && !(await this.#cleared(api, provision, before, signal))) {
      return undefined
    }
    const handle = api.takes === 'own' ? await handleOf(api, order.job, signal) : undefined
    if (api.takes === 'own' && handle === undefined) return undefined
    const { repository: name } = order
    const begun = { kind: 'attempt', repository: name, slot, epoch, tookJob: false } as const
    const sinceMs = clock.wallMs()
    // A later attempt has the row: written over, what that one is given could not be masked.
    if (!isLatest()) return undefined
    // First: after a crash the next process must know that there may be a runner of that name.
    await book.begin({ ...begun, sinceMs, isRegistered: false })
    const runner = naming.nameOf({ runId: runIdOf(slot), epoch })
    const { labels } = entry
    const { scope, group, url } = provision
    const values = await api.register({ name: runner, labels, scope, group, url, handle }, signal)
    const sealed = await seal.seal({ slot, epoch }, values)
    const isOwn = isLatest()
    // Synced before anybody has them: the next process must be able to mask them.
    if (isOwn) await book.begin({ ...begun, sinceMs, isRegistered: true, sealed })
    if (isOwn && !this.#ending.has(slot)) return values
    await this.#removed(api, provision, runner, signal)
    return undefined
  }

  /** Where a runner of these labels is registered; undefined where none is any more. */
  #placeOf({ repository: name, spec }: RunnerOrder) {
    const { repositories, apis, names } = this.#parts
    const repository = repositories.find(name)
    const provision = repository?.provision
    const entry = provision && entryOf(provision, spec.runner?.labels ?? [])
    const api = repository && apis.of(repository)?.runners
    const naming = names()
    if (provision === undefined || entry === undefined || api === undefined) return undefined
    return naming && { provision, entry, api, naming }
  }

  /** Before its forge is asked for anything: what could not be kept must not be given away. */
  async #checkRoom(slot: string): Promise<void> {
    const { book, seal } = this.#parts
    await seal.check()
    if (book.sealed().filter((each) => each.slot !== slot).length < PROVISION_GIVEN_MAX) return
    const what = 'the list of slots whose configuration is kept'
    throw new MeshError('OVERLOADED', { what, max: PROVISION_GIVEN_MAX })
  }

  /**
   * True once no runner of an earlier registration can be given a job, and none has been. What its
   * forge knows no more has had one: that is how such a runner ends.
   */
  async #cleared(
    api: RunnerApi,
    provision: Provision,
    before: AttemptRow,
    signal: AbortSignal
  ): Promise<boolean> {
    if (before.tookJob) return false
    const { slot, epoch, isRegistered } = before
    const name = this.#parts.names()?.nameOf({ runId: runIdOf(slot), epoch }) ?? ''
    const end = await this.#removed(api, provision, name, signal)
    if (end === 'removed' || (end === 'gone' && !isRegistered)) return true
    await this.#parts.book.begin({ ...before, tookJob: true })
    return false
  }

  async #removed(
    api: RunnerApi,
    { scope }: Provision,
    name: string,
    signal: AbortSignal
  ): Promise<'removed' | 'gone' | 'busy'> {
    const found = (await api.runners(scope, signal)).find((runner) => runner.name === name)
    if (found === undefined) return 'gone'
    return found.isBusy ? 'busy' : await api.remove(scope, found.id, signal)
  }
}

async function handleOf(
  api: RunnerApi,
  job: string,
  signal: AbortSignal
): Promise<string | undefined> {
  return (await api.waiting(signal)).find(({ id }) => id === job)?.handle
}

/** For logs. */
export function failureFacts(error: unknown) {
  return { code: codeOf(error), cause: causeOf(error) }
}
