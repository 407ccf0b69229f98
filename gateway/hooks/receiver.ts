import type { IncomingHttpHeaders } from 'node:http'
import { MeshError } from '../../protocol/core/errors.ts'
import { INTAKE_QUEUE_MAX } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { RunOrigin } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import type { Inbox } from '../ports.ts'
import type { Repositories, Repository } from '../repositories.ts'
import type { Claim, ForgeHook, ForgeName, Incoming } from './forge-hook.ts'
import { bodyText, branchOf, type GitPush, isDeletion, originOf } from './git-push.ts'
import { checkHeaders } from './header-guard.ts'

/** What a sender is told about its delivery. */
export interface Reception {
  readonly verdict: 'accepted' | 'duplicate' | 'ignored'
  /** Id of the delivery; '' where nobody vouched for it. */
  readonly delivery: string
  /** Id of the run that it started or that was there before; '' where there is none. */
  readonly run: string
  readonly reason: string
}

export interface ReceiverParts {
  readonly inbox: Inbox
  readonly intake: {
    reserve(): boolean
    release(): void
    take(delivery: Delivery): void
  }
  readonly repositories: Repositories
  readonly runIdOf: (origin: RunOrigin) => string
  readonly clock: Clock
  readonly log: Log
}

/** Verifies, de-duplicates and stores deliveries of declared repositories. */
export class Receiver {
  readonly #parts: ReceiverParts
  /** One store at a time for each run: two deliveries of one meaning must see each other. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(parts: ReceiverParts) {
    this.#parts = parts
  }

  /**
   * Resolves once the delivery is synced to disk, or is known, or starts no run. Rejects with
   * HOOK_PATH_MISMATCH, BODY_INVALID, SIGNATURE_MISMATCH, TIMESTAMP_OFF, REQUEST_INVALID,
   * OVERLOADED or STORE_FAILED; nothing is stored then.
   */
  async receive(
    hook: ForgeHook,
    headers: IncomingHttpHeaders,
    bytes: Uint8Array
  ): Promise<Reception> {
    const { clock, log } = this.#parts
    const receivedAtMs = clock.wallMs()
    checkHeaders(hook.forge, headers)
    const incoming = { headers, bytes, text: bodyText(bytes), receivedAtMs }
    const claim = hook.read(incoming)
    const { reception, push } = await this.#judge(hook.forge, incoming, claim)
    const { verdict, delivery, run, reason } = reception
    const { forge } = hook
    const ms = clock.wallMs() - receivedAtMs
    const what = { forge, event: claim.event, repository: claim.repository?.name }
    const facts = { ...what, ref: push?.ref, commit: push?.after, run, reason, ms }
    // What nobody vouches for, strangers could fill the log with; its sender is told.
    log[delivery === '' ? 'debug' : 'info']({ delivery, verdict, ...facts }, 'delivery received')
    return reception
  }

  async #judge(forge: ForgeName, incoming: Incoming, claim: Claim): Promise<Judgement> {
    if (claim.repository === undefined) {
      return { reception: ignored('', `event ${claim.event} names no repository`) }
    }
    const { name } = claim.repository
    const repository = this.#parts.repositories.select(forge, claim.repository)
    // No secret, so nobody vouches for a word of it: not even its id may go anywhere. What is
    // declared for another forge is answered in the same words: its secret is none for this path,
    // and a stranger learns nothing of what else is declared.
    if (repository === undefined) {
      const reason = `repository ${name} is not declared in gateway.yaml with forge: ${forge}`
      return { reception: ignored('', reason) }
    }
    const id = repository.secret.verify(incoming, repository.name)
    const meaning = claim.meaning()
    if (meaning.kind === 'ignored') return { reception: ignored(id, meaning.reason) }
    const { push } = meaning
    const reason = refusal(push, repository)
    if (reason !== undefined) return { reception: ignored(id, reason), push }
    const { receivedAtMs } = incoming
    return { reception: await this.#accept({ id, push, repository, receivedAtMs }), push }
  }

  async #accept(authentic: Authentic): Promise<Reception> {
    const { push, repository } = authentic
    const runId = this.#parts.runIdOf(originOf(push, repository.url))
    const before = this.#turns.get(runId) ?? Promise.resolve()
    const turn = before.then(() => this.#store(authentic, runId))
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

  async #store(authentic: Authentic, runId: string): Promise<Reception> {
    const { intake } = this.#parts
    const { id, push, repository } = authentic
    const key = deliveryKey(repository, id)
    const known = await this.#known(key, runId)
    if (known !== undefined && !this.#canReopen(known, repository, runId)) {
      return duplicate(id, known)
    }
    if (!intake.reserve()) {
      throw new MeshError('OVERLOADED', { what: 'the intake', max: INTAKE_QUEUE_MAX })
    }
    try {
      if (known !== undefined) return await this.#reopen(id, known, { runId, url: repository.url })
      return await this.#put(id, {
        key,
        deliveryId: id,
        repository: repository.name,
        url: repository.url,
        runId,
        receivedAtMs: authentic.receivedAtMs,
        body: JSON.stringify(push),
        state: 'received',
        reason: '',
        reopenable: false,
        openEpoch: 0,
        sealed: undefined
      })
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

  /** Only its own push opens a delivery again: an id stays that of its first meaning. */
  #canReopen(known: Delivery, repository: Repository, runId: string): boolean {
    const push = JSON.parse(known.body) as GitPush
    return known.reopenable && this.#parts.runIdOf(originOf(push, repository.url)) === runId
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

  /** The settings ended it, and now they name its repository again, perhaps by another URL. */
  async #reopen(
    id: string,
    known: Delivery,
    named: Pick<Delivery, 'runId' | 'url'>
  ): Promise<Reception> {
    const { inbox, intake } = this.#parts
    const change = { ...named, state: 'received', reason: '', reopenable: false } as const
    await inbox.update(known.key, change)
    intake.take({ ...known, ...change })
    return { verdict: 'accepted', delivery: id, run: named.runId, reason: '' }
  }
}

interface Judgement {
  readonly reception: Reception
  /** Of an authentic push. */
  readonly push?: GitPush
}

interface Authentic {
  readonly id: string
  readonly push: GitPush
  readonly repository: Repository
  readonly receivedAtMs: number
}

/**
 * What makes two requests one delivery: its forge and its id. The repository is in it as well,
 * since two servers of one kind may give the same id. Bare Git has no word of its own for the
 * records from before there were others; a name holds no colon.
 */
function deliveryKey({ forge, name }: Repository, id: string): string {
  return forge === 'git' ? `${name}/${id}` : `${forge}:${name}/${id}`
}

/** Why a push starts no run, decided by the settings of this moment: never stored. */
function refusal(push: GitPush, repository: Repository): string | undefined {
  const branch = branchOf(push)
  if (branch === undefined) return `${push.ref} is not a branch`
  if (isDeletion(push)) return `branch ${branch} was deleted`
  if (!repository.selects(branch)) return `branch ${branch} is not selected in gateway.yaml`
  return undefined
}

function ignored(delivery: string, reason: string): Reception {
  return { verdict: 'ignored', delivery, run: '', reason }
}

function duplicate(delivery: string, first: Delivery): Reception {
  const reason = `first received as delivery ${first.deliveryId}`
  return { verdict: 'duplicate', delivery, run: first.runId, reason }
}
