import { EGRESS_AUDITED_MAX, EGRESS_LINES_MAX } from '../../../protocol/core/egress-limits.ts'
import { NETWORK_ALLOW_MAX } from '../../../protocol/core/network-limits.ts'
import type { Target } from './target.ts'

/** The mesh's own words in a job's log. */
export interface JobVoice {
  readonly say: (text: string) => void
  /** The text without the values of the job's secrets. */
  readonly mask: (text: string) => string
}

const SHOWN_MAX = 120

/**
 * What one job's proxy decided, in the job's log: a line the first time, counted from then on, and
 * the sum at the end. For an audit the list that the job would need.
 */
export class Journal {
  readonly #voice: JobVoice
  readonly #isAudit: boolean
  readonly #said = new Set<string>()
  readonly #wanted = new Set<string>()
  #allowed = 0
  #refused = 0
  #untold = 0
  #unlisted = 0
  #isPartial = false

  constructor(voice: JobVoice, options: { readonly isAudit: boolean }) {
    this.#voice = voice
    this.#isAudit = options.isAudit
  }

  allowed(target: Target, address: string): void {
    this.#allowed += 1
    const { host, port } = target
    const shown = this.#shown(target)
    // Of an address the two are the same.
    const at = target.isAddress ? '' : ` at ${address}`
    this.#tell(`allowed ${host}:${port}`, `allowed ${shown}:${port}${at}`)
    if (!this.#isAudit) return
    if (shown !== host || this.#wanted.size >= EGRESS_AUDITED_MAX) this.#unlisted += 1
    else this.#wanted.add(`${host}:${port}`)
  }

  refused(target: Target, reason: string): void {
    this.#refused += 1
    const { host, port } = target
    this.#tell(
      `refused ${host}:${port} ${reason}`,
      `refused ${this.#shown(target)}:${port}: ${reason}`
    )
  }

  /** A request that names nothing that could be asked for. */
  malformed(text: string, reason: string): void {
    this.#refused += 1
    // Cut first, the half of a secret that is left would be no secret's value any more.
    const shown = this.#voice.mask(text).slice(0, SHOWN_MAX)
    const line = `refused ${JSON.stringify(shown)}: ${reason}`
    this.#tell(line, line)
  }

  /** Another agent's process had the job before: what it decided is not remembered here. */
  resumed(): void {
    this.#isPartial = true
  }

  close(): void {
    const [allowed, refused] = [this.#allowed, this.#refused]
    if (allowed + refused > 0) {
      const untold = this.#untold === 0 ? '' : `, of ${this.#untold} there is no line`
      this.#say(`${allowed} connections allowed, ${refused} refused${untold}`)
    }
    if (this.#isAudit) this.#sayList()
  }

  #sayList(): void {
    const list = [...this.#wanted].sort()
    if (this.#isPartial) {
      this.#say('the agent was restarted: what was asked before is above, and not in the list')
    }
    if (list.length === 0) this.#say('no host was reached by name: the job may do with none')
    else this.#say(`the ${list.length} hosts that this job asked for, for its pipeline entry:`)
    for (let at = 0; at < list.length; at += NETWORK_ALLOW_MAX) {
      const entries = list.slice(at, at + NETWORK_ALLOW_MAX).map((entry) => `'${entry}'`)
      this.#voice.say(`network: { allow: [${entries.join(', ')}] }`)
    }
    if (list.length > NETWORK_ALLOW_MAX) {
      this.#say(`a list takes ${NETWORK_ALLOW_MAX}: join some as '*.a.example:443'`)
    }
    if (this.#unlisted > 0) this.#say(`${this.#unlisted} connections are left out of the list`)
  }

  /** By its canonical name, unless a secret is spelled in it. */
  #shown({ host, asked }: Target): string {
    const masked = this.#voice.mask(asked)
    return masked === asked ? this.#voice.mask(host) : masked
  }

  #tell(key: string, line: string): void {
    if (this.#said.has(key)) return
    if (this.#said.size >= EGRESS_LINES_MAX) {
      this.#untold += 1
      return
    }
    this.#said.add(key)
    this.#say(line)
  }

  #say(text: string): void {
    this.#voice.say(`network: ${text}`)
  }
}
