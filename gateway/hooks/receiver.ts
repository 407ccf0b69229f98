import type { IncomingHttpHeaders } from 'node:http'
import { MeshError } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { RepositoryNumbers } from '../forge/repository-numbers.ts'
import type { GatewayCounts } from '../metrics/event-metrics.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { Repositories } from '../repositories.ts'
import { ignored, type Reception, type SourceDoor } from '../source-door.ts'
import { commitOf, type SourceEvent } from '../source-event.ts'
import type { Claim, ForgeHook, ForgeName, Incoming } from './forge-hook.ts'
import { bodyText } from './git-push.ts'
import { checkHeaders } from './header-guard.ts'

export interface ReceiverParts {
  readonly door: Pick<SourceDoor, 'admit' | 'close'>
  readonly repositories: Repositories
  /** What the forge's own jobs are told to. */
  readonly jobs: Pick<Provisioner, 'note'>
  readonly numbers: Pick<RepositoryNumbers, 'problem'>
  /** Told of each request and how it was answered. */
  readonly onAnswer?: GatewayCounts['delivery'] | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Verifies deliveries of declared repositories, and brings to the door what they mean. */
export class Receiver {
  readonly #parts: ReceiverParts

  constructor(parts: ReceiverParts) {
    this.#parts = parts
  }

  /**
   * Resolves once the delivery is synced to disk, or is known, or starts no run. Rejects with
   * HOOK_PATH_MISMATCH, BODY_INVALID, SIGNATURE_MISMATCH, TIMESTAMP_OFF, REQUEST_INVALID,
   * OVERLOADED, DISK_LOW or STORE_FAILED; nothing is stored then.
   */
  async receive(
    hook: ForgeHook,
    headers: IncomingHttpHeaders,
    bytes: Uint8Array
  ): Promise<Reception> {
    try {
      const reception = await this.#receive(hook, headers, bytes)
      this.#parts.onAnswer?.(hook.forge, reception.verdict)
      return reception
    } catch (error) {
      const isOurs = !(error instanceof MeshError) || error.kind.status >= 500
      this.#parts.onAnswer?.(hook.forge, isOurs ? 'failed' : 'refused')
      throw error
    }
  }

  async #receive(
    hook: ForgeHook,
    headers: IncomingHttpHeaders,
    bytes: Uint8Array
  ): Promise<Reception> {
    const { clock, log } = this.#parts
    const receivedAtMs = clock.wallMs()
    checkHeaders(hook.forge, headers)
    const incoming = { headers, bytes, text: bodyText(bytes), receivedAtMs }
    const claim = hook.read(incoming)
    const { reception, event } = await this.#judge(hook.forge, incoming, claim)
    const { verdict, delivery, run, reason } = reception
    const { forge } = hook
    const ms = clock.wallMs() - receivedAtMs
    const what = { forge, event: claim.event, repository: claim.repository?.name }
    const source = event && { ref: event.ref, commit: commitOf(event) }
    const facts = { ...what, ...source, run, reason, ms }
    // What nobody vouches for, strangers could fill the log with; its sender is told.
    log[delivery === '' ? 'debug' : 'info']({ delivery, verdict, ...facts }, 'delivery received')
    return reception
  }

  async #judge(forge: ForgeName, incoming: Incoming, claim: Claim): Promise<Judgement> {
    if (claim.repository === undefined) {
      return { reception: ignored('', `event ${claim.event} names no repository`) }
    }
    const { name } = claim.repository
    const { repositories, door } = this.#parts
    const repository = repositories.select(forge, claim.repository)
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
    if (meaning.kind === 'job') {
      const { verdict, reason } = await this.#parts.jobs.note(repository, meaning.job)
      return { reception: { verdict, delivery: id, run: '', reason } }
    }
    const { event } = meaning
    const { numbers } = this.#parts
    const reason = await numbers.problem(repository, event.repositoryId)
    if (reason !== undefined) {
      this.#parts.log.warn({ repository: repository.name, reason }, 'delivery for another one')
      return { reception: ignored(id, reason) }
    }
    if (meaning.kind === 'closed') {
      return { reception: await door.close(id, meaning.event, repository), event }
    }
    const { receivedAtMs } = incoming
    const arrival = { bringer: 'hook', id, event, repository, receivedAtMs } as const
    return { reception: await door.admit(arrival), event }
  }
}

interface Judgement {
  readonly reception: Reception
  /** Of an authentic delivery that means one. */
  readonly event?: SourceEvent
}
