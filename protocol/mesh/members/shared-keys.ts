import { AGENT_BOOTS_MAX, MEMBERS_MAX } from '../../core/limits.ts'
import type { RegisterRequest } from '../../core/messages.ts'
import type { Clock } from '../../core/ports.ts'
import { KEY_SHARED_SHOWN_MS, LATE_REQUEST_MS_MAX } from '../../core/sighting-limits.ts'
import type { Log } from '../../host/log.ts'
import { Lru } from '../bounds/lru.ts'

interface Heard {
  /** Boot clock of the first request of each process, by its boot nonce. */
  readonly firsts: ReadonlyMap<string, number>
  /** Boot clock of the last request that showed two of them alive. */
  readonly sharedAtMs: number | undefined
}

/**
 * Members whose key two processes use, as after a host was cloned: one that a younger process has
 * followed for long still asks. Told by a witness, since the registers alone keep the two apart:
 * they see each other as one member, and gossip hears only one of them.
 */
export class SharedKeys {
  readonly #clock: Clock
  readonly #log: Log
  readonly #heard = new Lru<string, Heard>(MEMBERS_MAX)

  constructor(parts: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = parts.clock
    this.#log = parts.log
  }

  hear(peer: string, request: RegisterRequest): void {
    const boot = bootOf(request)
    if (boot === undefined) return
    const nowMs = this.#clock.bootMs()
    const known = this.#heard.get(peer)
    const firsts = new Map(known?.firsts)
    if (!firsts.has(boot)) firsts.set(boot, nowMs)
    const [oldest] = firsts.keys()
    if (firsts.size > AGENT_BOOTS_MAX && oldest !== undefined) firsts.delete(oldest)
    const ownMs = firsts.get(boot) ?? nowMs
    const isShared = [...firsts.values()].some((firstMs) => {
      return firstMs > ownMs && nowMs - firstMs >= LATE_REQUEST_MS_MAX
    })
    const before = known?.sharedAtMs
    if (isShared && !this.#isShown(before)) this.#log.error({ peer }, 'two processes share a key')
    this.#heard.set(peer, { firsts, sharedAtMs: isShared ? nowMs : before })
  }

  /** True while two processes with the key of that member were heard lately. */
  has(peer: string): boolean {
    return this.#isShown(this.#heard.get(peer)?.sharedAtMs)
  }

  #isShown(sharedAtMs: number | undefined): boolean {
    return sharedAtMs !== undefined && this.#clock.bootMs() - sharedAtMs < KEY_SHARED_SHOWN_MS
  }
}

/**
 * The process that asks, where its request says so by itself. An accept does not: a restarted
 * process brings witnesses the accepts of the one before it.
 */
function bootOf(request: RegisterRequest): string | undefined {
  if (request.kind === 'prepare') return request.ballot.boot
  return request.kind === 'renew' ? request.items[0]?.boot : undefined
}
