import { type BackoffRange, backoffMs } from '../../protocol/core/backoff.ts'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { GIVEN_BEFORE } from '../../protocol/core/given-runner.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { SECRETS_WAIT_MS_MAX } from '../../protocol/core/secret-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import type {
  ReleasedSecret,
  SecretsReply,
  SecretsRequest
} from '../../protocol/wire/secrets-codec.ts'
import { pause } from '../claim/ending.ts'

const BACKOFF: BackoffRange = { firstMs: 250, maxMs: 5_000 }

export interface SecretClientParts {
  /** Asks one member once; rejects where it cannot be reached. */
  readonly send: (gateway: string, request: SecretsRequest) => Promise<SecretsReply>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Who asks for what: a lease of this agent's. */
export interface SecretOrder extends Omit<SecretsRequest, 'nonce'> {
  /** Peer id of the gateway that announced the job. */
  readonly gateway: string
  /** Of a slot whose runner runs already: what it was given is wanted again, and nothing new. */
  readonly goesOn?: boolean
}

/** Fetches the secrets of jobs that this agent holds. */
export class SecretClient {
  readonly #parts: SecretClientParts

  constructor(parts: SecretClientParts) {
    this.#parts = parts
  }

  /**
   * Asks until the gateway answers, for SECRETS_WAIT_MS_MAX. Throws SECRET_REFUSED where it will
   * not, SECRETS_UNAVAILABLE after that time, and the signal's reason.
   */
  async release(order: SecretOrder, signal: AbortSignal): Promise<readonly ReleasedSecret[]> {
    const { clock, random } = this.#parts
    const endMs = clock.bootMs() + SECRETS_WAIT_MS_MAX
    for (let tries = 0; ; tries += 1) {
      const answer = await this.#ask(order)
      if (signal.aborted && typeof answer !== 'string') erase(answer)
      signal.throwIfAborted()
      if (typeof answer !== 'string') return answer
      const waitMs = backoffMs(tries, random.next(), BACKOFF)
      if (clock.bootMs() + waitMs >= endMs) {
        throw new MeshError('SECRETS_UNAVAILABLE', { gateway: order.gateway, cause: answer })
      }
      await pause(clock, waitMs, signal)
      signal.throwIfAborted()
    }
  }

  /** The secrets, or why they cannot be had now. Throws SECRET_REFUSED. */
  async #ask(order: SecretOrder): Promise<readonly ReleasedSecret[] | string> {
    const { gateway, job, epoch, claimId, goesOn } = order
    const names = goesOn === true ? [GIVEN_BEFORE, ...order.names] : order.names
    const nonce = this.#parts.random.id(16)
    try {
      const reply = await this.#parts.send(gateway, { job, epoch, claimId, names, nonce })
      return this.#read(order, nonce, reply)
    } catch (error) {
      if (error instanceof MeshError && error.code === 'SECRET_REFUSED') throw error
      this.#parts.log.debug({ job, epoch, cause: causeOf(error) }, 'secrets not had yet')
      return causeOf(error)
    }
  }

  #read(
    order: SecretOrder,
    nonce: string,
    reply: SecretsReply
  ): readonly ReleasedSecret[] | string {
    if (reply.kind === 'released') {
      const wrong = wrongIn(order, nonce, reply)
      if (wrong !== undefined) erase(reply.secrets)
      return wrong ?? reply.secrets
    }
    if (reply.nonce !== nonce) return 'it answered another request'
    const { reason, name } = reply
    // A gateway that has just begun may not know the run, nor its register, for a moment.
    if (reason === 'unknown_job') return 'it does not know the job yet, or no quorum answers it'
    if (reason === 'not_holder') return 'it does not see the lease of this agent'
    // Answers were lost, and those that it gave count for a minute.
    if (reason === 'too_often') return 'it has released them too often within a minute'
    throw new MeshError('SECRET_REFUSED', { name: name === '' ? 'list' : name, reason })
  }
}

function wrongIn(
  { names }: SecretOrder,
  nonce: string,
  reply: Extract<SecretsReply, { readonly kind: 'released' }>
): string | undefined {
  if (reply.nonce !== nonce) return 'it answered another request'
  const released = new Set(reply.secrets.map(({ name }) => name))
  const missing = names.find((name) => !released.has(name))
  return missing && `it left out ${missing}`
}

function erase(secrets: readonly ReleasedSecret[]): void {
  for (const { value } of secrets) value.fill(0)
}
