import { heldJob, type LeasedJob, leasedJob } from '../../../protocol/core/lease-timer.ts'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import { type Checker, keyOf, type SimEvent } from '../events.ts'

export interface PoisonOptions {
  readonly quorum: number
  /** Members that are known to mind no promise. */
  readonly rogues: ReadonlySet<string>
}

/** By lease length, as the plan has it: kept apart from the table that the witnesses use. */
const TAKE_OVER_MS = new Map([
  [3_000, 3_500],
  [30_000, 32_000]
])

type Taken = Extract<SimEvent, { readonly kind: 'takes' }>
type Shown = Extract<SimEvent, { readonly kind: 'replies' }>
type Proposed = Extract<SimEvent, { readonly kind: 'proposes' }>

/**
 * I13: a holder is deposed only after a majority of witnesses was without it for the take-over
 * time. Who heard what when is kept here, apart from the acceptor's own timers: each witness waits
 * by itself, and an honest proposer does not even ask before a majority has.
 */
export function checkI13({ quorum, rogues }: PoisonOptions): Checker {
  const silence = new Silence()
  const over = new Map<string, Set<string>>()
  const asked = new Set<string>()
  return (event) => {
    switch (event.kind) {
      case 'boots':
        silence.boot(event.store, event.localMs)
        return
      case 'renews':
        silence.hear(at(event), event.claimId, event.localMs)
        silence.confirm(at(event), event.claimId)
        return
      case 'promises': {
        const name = `${event.place} ${keyOf(event.ballot)}`
        const { store, lease, localMs } = event
        if (lease === undefined || silence.isOver(at(event), lease, localMs)) {
          add(over, name, store)
        }
        return
      }
      case 'takes':
        return takes(silence, event)
      case 'replies':
        return shows(silence, event)
      case 'proposes': {
        // Written back, it is the decision of an earlier round.
        const isFirst = !asked.has(event.hash)
        asked.add(event.hash)
        return rogues.has(event.by) || !isFirst ? undefined : proposes(event, over, quorum)
      }
      default:
        return
    }
  }
}

/** A moved job has two registers, maybe at one store: each waits for itself. */
function at({ store, place }: { readonly store: string; readonly place: string }): Register {
  return { store, name: `${store} ${place}` }
}

interface Register {
  readonly store: string
  readonly name: string
}

/** When each register last heard of each claim, by the clock of its store. */
class Silence {
  readonly #heard = new Map<string, number>()
  readonly #confirmed = new Set<string>()
  readonly #boots = new Map<string, number>()
  readonly #leaseMs = new Map<string, number>()
  boot(store: string, localMs: number): void {
    this.#boots.set(store, localMs)
  }

  hear({ name }: Register, claimId: string, localMs: number): void {
    this.#heard.set(`${name} ${claimId}`, localMs)
  }

  learn(claimId: string, leaseMs: number): void {
    this.#leaseMs.set(claimId, leaseMs)
  }

  confirm({ name }: Register, claimId: string): void {
    this.#confirmed.add(`${name} ${claimId}`)
  }

  isConfirmed({ name }: Register, claimId: string): boolean {
    return this.#confirmed.has(`${name} ${claimId}`)
  }

  lastMs({ store, name }: Register, claimId: string): number {
    const heardMs = this.#heard.get(`${name} ${claimId}`) ?? Number.NEGATIVE_INFINITY
    return Math.max(heardMs, this.#boots.get(store) ?? Number.NEGATIVE_INFINITY)
  }

  isOver(register: Register, claimId: string, localMs: number): boolean {
    // A hair: clocks are computed, not read.
    return this.leftMs(register, claimId, localMs) <= 0.01
  }

  leftMs(register: Register, claimId: string, localMs: number): number {
    const takeOverMs = TAKE_OVER_MS.get(this.#leaseMs.get(claimId) ?? 0) ?? 0
    return Math.max(0, takeOverMs - (localMs - this.lastMs(register, claimId)))
  }
}

function takes(silence: Silence, event: Taken): string | undefined {
  const { store, place, value, before, localMs } = event
  const held = heldJob(before)
  const next = leasedJob(value)
  if (next !== undefined) silence.learn(next.lease.claimId, next.lease.leaseMs)
  const problem =
    held !== undefined && isDeposed(silence, event, held)
      ? `I13: ${store} lets epoch ${held.epoch} of ${place} go too early`
      : undefined
  // The same value written back by a reader is no word of the holder.
  const isByHolder = event.changes && value.op.actor === next?.lease.holder
  // An adoption that was missed here is the holder's word as well, whoever wrote on it since.
  const isFresh = next !== undefined && !isSameLease(next, held)
  if (next !== undefined && (isFresh || isByHolder)) {
    silence.hear(at(event), next.lease.claimId, localMs)
  }
  return problem
}

function isSameLease({ lease }: LeasedJob, held: LeasedJob | undefined): boolean {
  return lease.claimId === held?.lease.claimId && lease.boot === held.lease.boot
}

function isDeposed(silence: Silence, event: Taken, held: LeasedJob): boolean {
  const { value, localMs } = event
  if (value.kind !== 'job') return false
  const { claimId } = held.lease
  const next = heldJob(value)
  const ended = value.history.find(({ epoch }) => epoch === held.epoch)
  const isMine = ended?.claimId === claimId
  if (isMine && ended?.end !== 'expired') return false
  const isSame = next?.epoch === held.epoch && next.lease.claimId === claimId
  // A value without that claim in its past is no take-over, unless its holder has renewed here.
  const isUndone = silence.isConfirmed(at(event), claimId) && !isMine && !isSame
  const isOther = value.epoch > held.epoch || isMine || isUndone
  return isOther && !silence.isOver(at(event), claimId, localMs)
}

// A timer that runs too long keeps a dead holder's lease alive, one that runs out too early takes
// a living one's. Judged where it shows, since either only costs time most of the time.
function shows(silence: Silence, event: Shown): string | undefined {
  const { store, place, lease, remainingMs, madeAtMs } = event
  if (lease === undefined || remainingMs === undefined) return
  // Heard of again while the answer waited for its sync: what it says is the past.
  if (silence.lastMs(at(event), lease) >= madeAtMs) return
  const leftMs = silence.leftMs(at(event), lease, madeAtMs)
  if (Math.abs(leftMs - remainingMs) < 0.01) return
  const [shown, should] = [Math.round(remainingMs), Math.round(leftMs)]
  return `I13: ${store} shows ${shown} ms of the lease of ${place}, which has ${should} left`
}

// The op of this round ends a lease without its holder: a majority must have seen it over.
function proposes(
  { by, place, ballot, value }: Proposed,
  over: ReadonlyMap<string, ReadonlySet<string>>,
  quorum: number
): string | undefined {
  if (value.op.actor !== by || !deposes(value)) return
  const stores = over.get(`${place} ${keyOf(ballot)}`)?.size ?? 0
  if (stores >= quorum) return
  return `I13: ${by} asks for ${place} when only ${stores} of ${quorum} witnesses have waited`
}

function deposes(value: RegisterValue): boolean {
  if (value.kind !== 'job') return false
  const { kind } = value.op.body
  return (kind === 'claim' || kind === 'error') && value.history.at(-1)?.end === 'expired'
}

function add(map: Map<string, Set<string>>, name: string, store: string): void {
  map.set(name, (map.get(name) ?? new Set()).add(store))
}
