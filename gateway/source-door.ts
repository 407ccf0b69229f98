import { MeshError } from '../protocol/core/errors.ts'
import { INTAKE_QUEUE_MAX, NAME_CHARACTERS_MAX } from '../protocol/core/limits.ts'
import type { RunOrigin } from '../protocol/core/run.ts'
import type { Delivery } from '../protocol/store/inbox-store.ts'
import { isDeletion, PRINTABLE } from './hooks/git-push.ts'
import type { Inbox } from './ports.ts'
import type { Repository } from './repositories.ts'
import {
  branchOf,
  eventOf,
  originOf,
  type PullRequestEvent,
  type SourceEvent,
  subjectOf,
  tagOf
} from './source-event.ts'

/** What whoever brings an event is told. */
export interface Reception {
  readonly verdict: 'accepted' | 'duplicate' | 'ignored'
  /** Id of the delivery; '' where nobody vouched for it. */
  readonly delivery: string
  /** Id of the run that it started or that was there before; '' where there is none. */
  readonly run: string
  readonly reason: string
}

/** Who brings an event: ids are apart for each of them. */
export type Bringer = 'hook' | 'poll' | 'manual' | 'schedule' | 'provision'

export interface Arrival {
  readonly bringer: Bringer
  /** Of the delivery: the same id twice is one event, whatever it says. */
  readonly id: string
  readonly event: SourceEvent
  readonly repository: Pick<Repository, 'forge' | 'name' | 'url' | 'selects'>
  /** Wall clock. */
  readonly receivedAtMs: number
}

export interface SourceDoorParts {
  readonly inbox: Inbox
  readonly intake: {
    reserve(): boolean
    release(): void
    take(delivery: Delivery): void
    lookAgain(subject: string): Promise<number>
  }
  /** Says why nothing new can be kept, where that is so. */
  readonly disk: { readonly problem: MeshError | undefined }
  readonly runIdOf: (origin: RunOrigin) => string
}

/** The one way into the inbox, for hooks, polls, people and the calendar alike. */
export class SourceDoor {
  readonly #parts: SourceDoorParts
  /** One store at a time for each run: two deliveries of one meaning must see each other. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(parts: SourceDoorParts) {
    this.#parts = parts
  }

  /**
   * Resolves once the event is synced to disk, or is known, or starts no run. Rejects with
   * REQUEST_INVALID, OVERLOADED, DISK_LOW or STORE_FAILED; nothing is stored then.
   */
  async admit(arrival: Arrival): Promise<Reception> {
    const { bringer, event, repository, id } = arrival
    checkNonce(event)
    if (event.kind === 'workflow_job' && bringer !== 'provision') {
      const problem =
        "a slot of the forge's own runner is not run anew: run its job again on the forge"
      throw new MeshError('REQUEST_INVALID', { problem })
    }
    const reason = refusal(event, repository)
    if (reason !== undefined) return ignored(id, reason)
    const runId = this.#parts.runIdOf(originOf(event, repository.url))
    return await this.#inTurn(runId, () => this.#store(arrival, runId))
  }

  /**
   * Takes a delivery once more that came to nothing, and judges it by what holds now; one that has
   * a run, or waits for something, stays what it is. `shown` is what whoever asks calls it. Rejects
   * with DELIVERY_UNKNOWN, and as admit does.
   */
  async replay(key: string, shown: string): Promise<Reception> {
    const { inbox } = this.#parts
    const found = await inbox.get(key)
    if (found === undefined) throw new MeshError('DELIVERY_UNKNOWN', { id: shown })
    const { runId, url, deliveryId: id } = found
    return await this.#inTurn(runId, async () => {
      // Read again: it may have waited for a turn that took it up.
      const delivery = await inbox.get(key)
      if (delivery === undefined) throw new MeshError('DELIVERY_UNKNOWN', { id: shown })
      const { state } = delivery
      if (!isReplayable(delivery)) {
        return { verdict: 'duplicate', delivery: id, run: runId, reason: `it is ${state}` }
      }
      const other = await inbox.byRun(runId)
      if (other !== undefined && other.key !== key && !isReplayable(other)) {
        return duplicate(id, other)
      }
      return await this.#withPlace(() => this.#reopen(id, delivery, { runId, url }))
    })
  }

  async #inTurn(runId: string, work: () => Promise<Reception>): Promise<Reception> {
    const before = this.#turns.get(runId) ?? Promise.resolve()
    const turn = before.then(work)
    const settled = turn.then(
      () => undefined,
      () => undefined
    )
    this.#turns.set(runId, settled)
    try {
      return await turn
    } finally {
      if (this.#turns.get(runId) === settled) this.#turns.delete(runId)
    }
  }

  /** The forge says that a pull request was closed: what waits of it is looked at again. */
  async close(id: string, event: PullRequestEvent, { url }: Pick<Repository, 'url'>) {
    const count = await this.#parts.intake.lookAgain(subjectOf(originOf(event, url)))
    const waiting = count === 0 ? 'nothing of it was waiting' : 'what was waiting of it ends'
    return ignored(id, `pull request ${event.number} was closed: ${waiting}`)
  }

  async #store(arrival: Arrival, runId: string): Promise<Reception> {
    const { id, event, repository } = arrival
    const key = deliveryKey(arrival)
    const known = await this.#known(key, runId)
    const isReopened = known !== undefined && this.#canReopen(known, repository.url, runId)
    if (known !== undefined && !isReopened && !isUndecided(known, key, event)) {
      return duplicate(id, known)
    }
    return await this.#withPlace(async () => {
      const { url } = repository
      if (known !== undefined && isReopened) return await this.#reopen(id, known, { runId, url })
      return await this.#put(id, {
        key,
        deliveryId: id,
        repository: repository.name,
        url: repository.url,
        runId,
        receivedAtMs: arrival.receivedAtMs,
        body: JSON.stringify(event),
        state: 'received',
        reason: '',
        reopenable: false,
        openEpoch: 0,
        subject: subjectOf(originOf(event, repository.url)),
        sealed: undefined
      })
    })
  }

  /** Nothing is taken that the run's other writes may find no room for. */
  async #withPlace(work: () => Promise<Reception>): Promise<Reception> {
    const { intake, disk } = this.#parts
    if (disk.problem !== undefined) throw disk.problem
    if (!intake.reserve()) {
      throw new MeshError('OVERLOADED', { what: 'the intake', max: INTAKE_QUEUE_MAX })
    }
    try {
      return await work()
    } finally {
      intake.release()
    }
  }

  /** What is kept under the id or of the run; what has come to a run goes before what has not. */
  async #known(key: string, runId: string): Promise<Delivery | undefined> {
    const { inbox } = this.#parts
    const byKey = await inbox.get(key)
    if (byKey !== undefined && !byKey.reopenable) return byKey
    const byRun = await inbox.byRun(runId)
    return byRun === undefined || byRun.reopenable ? (byKey ?? byRun) : byRun
  }

  /** Only its own event opens a delivery again: an id stays that of its first meaning. */
  #canReopen(known: Delivery, url: string, runId: string): boolean {
    return known.reopenable && this.#parts.runIdOf(originOf(eventOf(known), url)) === runId
  }

  async #put(id: string, delivery: Delivery): Promise<Reception> {
    const { inbox, intake } = this.#parts
    // Synced before the answer: a sender that got 202 never sends it again.
    if ((await inbox.put(delivery)) === 'known') {
      return duplicate(id, (await inbox.get(delivery.key)) ?? delivery)
    }
    intake.take(delivery)
    return { verdict: 'accepted', delivery: id, run: delivery.runId, reason: '' }
  }

  /** The settings ended it, or the forge did, and either may say otherwise now. */
  async #reopen(
    id: string,
    known: Delivery,
    { runId, url }: Pick<Delivery, 'runId' | 'url'>
  ): Promise<Reception> {
    const { inbox, intake } = this.#parts
    const begun = { state: 'received', reason: '', reopenable: false, approvedBy: '' } as const
    const change = { runId, url, ...begun }
    await inbox.update(known.key, change)
    intake.take({ ...known, ...change })
    return { verdict: 'accepted', delivery: id, run: runId, reason: '' }
  }
}

/**
 * What makes two requests one delivery: its forge and its id. The repository is in it as well,
 * since two servers of one kind may give the same id. Bare Git has no word of its own for the
 * records from before there were others; a name holds no colon.
 */
function deliveryKey({ bringer, id, repository: { forge, name } }: Arrival): string {
  if (bringer !== 'hook') return `${bringer}:${name}/${id}`
  return forge === 'git' ? `${name}/${id}` : `${forge}:${name}/${id}`
}

/**
 * A pull request that is looked at just now may be found not to be selected, for a label that this
 * very delivery tells of: so that it is kept, and looked at after the other one.
 */
function isUndecided(known: Delivery, key: string, { kind }: SourceEvent): boolean {
  const isOther = known.key !== key
  return kind === 'pull_request' && isOther && known.state === 'received' && !known.sealed
}

/** Nothing of it is announced, or what was is refused by all. */
function isReplayable({ state, reopenable, sealed, runId }: Delivery): boolean {
  if (runId === '' || (state !== 'ignored' && state !== 'errored')) return false
  return reopenable || sealed === undefined
}

/** Why an event starts no run, decided by the settings of this moment: never stored. */
function refusal(event: SourceEvent, repository: Pick<Repository, 'selects'>): string | undefined {
  if (event.kind === 'tag') {
    return isDeletion(event) ? `tag ${tagOf(event)} was deleted` : undefined
  }
  if (event.kind !== 'push') return undefined
  const branch = branchOf(event) ?? ''
  if (isDeletion(event)) return `branch ${branch} was deleted`
  if (!repository.selects(branch)) return `branch ${branch} is not selected in gateway.yaml`
  return undefined
}

/** Throws REQUEST_INVALID: no announcement could hold it. */
function checkNonce({ nonce = '' }: SourceEvent): void {
  if (nonce.length <= NAME_CHARACTERS_MAX && PRINTABLE.test(nonce)) return
  const problem = `what tells the run from others must be a line of ${NAME_CHARACTERS_MAX} characters`
  throw new MeshError('REQUEST_INVALID', { problem })
}

export function ignored(delivery: string, reason: string): Reception {
  return { verdict: 'ignored', delivery, run: '', reason }
}

function duplicate(delivery: string, first: Delivery): Reception {
  const reason = `first received as delivery ${first.deliveryId}`
  return { verdict: 'duplicate', delivery, run: first.runId, reason }
}
