import type { Closing } from '../../protocol/core/closing.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import {
  formatLocalTime,
  type HostHours,
  isWithin,
  type LocalTime,
  nextBegin
} from '../../protocol/core/host-hours.ts'
import {
  type HostLoad,
  type LoadBreach,
  type LoadLimits,
  loadBreach,
  sparePidsOf
} from '../../protocol/core/host-load.ts'
import { HOST_LOOK_EVERY_MS, HOST_LOOK_MS_MIN } from '../../protocol/core/host-policy-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { formatBytes } from '../../protocol/core/quantities.ts'
import type { Log } from '../../protocol/host/log.ts'

export interface HostDoorParts {
  readonly clock: Clock
  readonly log: Log
  /** What the clock on the wall of the hours' zone shows. */
  localTime(wallMs: number): LocalTime
  /** Throws where the load cannot be read. */
  readLoad(): HostLoad
}

export interface HostDoorOptions {
  /** Undefined for always. */
  readonly hours: readonly HostHours[] | undefined
  readonly zone: string | undefined
  readonly load: LoadLimits | undefined
}

/**
 * Says whether new jobs may begin on this host now: in its owner's hours, and while it is not busy.
 * What runs goes on.
 */
export class HostDoor {
  readonly #parts: HostDoorParts
  readonly #options: HostDoorOptions
  readonly #listeners: (() => void)[] = []
  #closing: Closing | undefined
  /** Closed by the kernel's limit, which is none of its owner's settings. */
  #lacksPids = false
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #disarm: () => void = () => undefined

  constructor(parts: HostDoorParts, options: HostDoorOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Looks now, and from now on; a host without hours and limits is never looked at. */
  start(): void {
    if (this.#options.hours === undefined && this.#options.load === undefined) return
    this.#look()
    this.#disarm = this.#parts.clock.arm(HOST_LOOK_EVERY_MS, () => this.start())
  }

  stop(): void {
    this.#disarm()
  }

  /** Why no new job may begin now; undefined where it may. */
  get closing(): Closing | undefined {
    const { hours, load } = this.#options
    if (hours === undefined && load === undefined) return undefined
    const sinceMs = this.#parts.clock.monotonicMs() - this.#lookedAtMs
    if (sinceMs >= HOST_LOOK_MS_MIN) this.#look()
    return this.#closing
  }

  /** For `agent status`. */
  problems(): readonly { readonly code: string; readonly message: string; readonly fix: string }[] {
    const { closing } = this
    if (closing === undefined) return []
    const message = `this host takes no new jobs: ${closing.text}; what runs goes on`
    const change = `change policy.${closing.by} in agent.yaml and start the agent again`
    const raise = 'raise kernel.pid_max or kernel.threads-max (sysctl)'
    const fix = `nothing, or ${this.#lacksPids ? raise : change}`
    return [{ code: 'HOST_CLOSED', message, fix }]
  }

  /** Told whenever the host closes, opens or closes for another reason. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  #look(): void {
    const { clock, log } = this.#parts
    this.#lookedAtMs = clock.monotonicMs()
    const before = this.#closing
    const closing = this.#outsideHours() ?? this.#overloaded()
    if (closing?.text === before?.text) return
    this.#closing = closing
    // Figures of a load change with every look: they are no news to anybody.
    if (closing?.by === 'load' && before?.by === 'load') return
    log.info({ closing: closing?.text }, closing === undefined ? 'host open' : 'host closed')
    // In a turn of its own: whoever asks is in the midst of a decision.
    clock.arm(0, () => {
      for (const listener of this.#listeners) listener()
    })
  }

  #outsideHours(): Closing | undefined {
    const { hours, zone } = this.#options
    if (hours === undefined) return undefined
    const { clock } = this.#parts
    const now = this.#parts.localTime(clock.wallMs())
    if (isWithin(hours, now)) return undefined
    const next = nextBegin(hours, now)
    const begin = next === undefined ? 'never begin' : `begin ${formatLocalTime(next)}`
    return { by: 'hours', text: `its owner's hours ${begin} (${zone ?? 'no zone'})` }
  }

  #overloaded(): Closing | undefined {
    const { load: limits } = this.#options
    if (limits === undefined) return undefined
    try {
      const load = this.#parts.readLoad()
      const breach = loadBreach(limits, load, this.#closing?.by === 'load')
      this.#lacksPids = breach === 'pids'
      return breach === undefined ? undefined : { by: 'load', text: textOf(breach, limits, load) }
    } catch (error) {
      // An owner who set a limit must not be overrun where it cannot be seen.
      const text = `its load cannot be read (${causeOf(error)})`
      return { by: 'load', text: text.slice(0, CLOSING_CHARACTERS) }
    }
  }
}

/** Characters that others are told. */
const CLOSING_CHARACTERS = 100

function textOf(breach: LoadBreach, limits: LoadLimits, load: HostLoad): string {
  if (breach === 'pids' && load.pids !== undefined) {
    const { used, max } = load.pids
    return `${max - used} of ${max} processes and threads are free, ${sparePidsOf(load.pids)} must be`
  }
  if (breach === 'pressure') {
    const { memoryPressure: found } = load
    if (found === undefined) return 'its kernel does not count memory pressure (PSI)'
    return `it is busy: processes wait for memory ${found} % of the time, over ${limits.memoryPressure} %`
  }
  if (breach === 'average') {
    const perCore = (load.average / load.cores).toFixed(2)
    return `it is busy: a load of ${perCore} for each core, over ${limits.perCore}`
  }
  const [free, wanted] = [load.availableBytes, limits.freeMemoryBytes ?? 0].map(formatBytes)
  return `it is busy: ${free} of memory are free, its owner wants ${wanted} to stay so`
}
