import { type Equivocation, type EquivocationSummary, subjectOf } from '../../core/equivocation.ts'
import {
  EQUIVOCATION_TRY_MS,
  EQUIVOCATIONS_BYTES_MAX,
  EQUIVOCATIONS_MAX
} from '../../core/equivocation-limits.ts'
import { codeOf } from '../../core/errors.ts'
import { MEMBERS_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { Log } from '../../host/log.ts'
import { encodeEquivocation, type ProvenEquivocation } from '../../wire/equivocation-codec.ts'
import { Lru } from '../bounds/lru.ts'
import type { ProofFolder } from './proof-folder.ts'
import type { RosterView } from './roster-book.ts'

export interface EquivocationsParts {
  readonly rosters: Pick<RosterView, 'current'>
  readonly clock: Pick<Clock, 'wallMs' | 'bootMs'>
  readonly log: Log
  /** Where proofs outlive this process; nowhere when absent. */
  readonly folder?: ProofFolder | undefined
}

/**
 * Members that signed two different things where the protocol allows one: told of until somebody
 * has looked at them, with both things as proof. One of each kind and member, the first.
 */
export class Equivocations {
  readonly #parts: EquivocationsParts
  readonly #known = new Map<string, EquivocationSummary>()
  /** Boot clock of the last try to prove something of a member, by kind and member. */
  readonly #tried = new Lru<string, number>(MEMBERS_MAX)
  /** False where what is there already cannot be read: nothing is put beside it. */
  #keeps = true
  #files = 0
  #bytes = 0
  #tail: Promise<void> = Promise.resolve()

  constructor(parts: EquivocationsParts) {
    this.#parts = parts
  }

  /** Takes in what earlier processes have kept. */
  async start(): Promise<void> {
    const { folder, log } = this.#parts
    if (folder === undefined) return
    const read = await folder.read().catch((error: unknown) => {
      if (codeOf(error) === undefined) throw error
      log.warn({ err: error }, 'no proofs are kept')
    })
    // Proofs are for people: no member stops witnessing for a folder that somebody has spoilt.
    this.#keeps = read !== undefined
    const { proofs, damaged } = read ?? { proofs: [], damaged: [] }
    for (const { found, seenAtMs, file, text } of proofs) {
      this.#files += 1
      this.#bytes += text.length
      this.#known.set(nameOf(found), summaryOf({ found, seenAtMs }, file))
    }
    for (const one of damaged) log.error({ ...one, code: 'PROOF_INVALID' }, 'proof not read')
  }

  /** Resolves once all that was heard is on the disk. */
  async stop(): Promise<void> {
    await this.#tail
  }

  /**
   * For two things that a member seems to have signed; both signatures are verified here, since
   * whoever showed them may have made them up. What a stranger signs is nobody's business.
   */
  hear(found: Equivocation): void {
    const { rosters, clock, log } = this.#parts
    const name = nameOf(found)
    if (this.#known.has(name) || !this.#mayTry(name)) return
    const members = rosters.current()?.roster.members ?? []
    if (!members.some(({ peerId }) => peerId === found.peer)) return
    const proven = { found, seenAtMs: clock.wallMs() }
    try {
      const text = encodeEquivocation(proven)
      this.#known.set(name, summaryOf(proven, undefined))
      this.#keep(proven, text)
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      log.warn({ err: error, peer: found.peer }, 'equivocation without a proof')
    }
  }

  /** Oldest first. */
  list(): readonly EquivocationSummary[] {
    return [...this.#known.values()].sort((a, b) => a.seenAtMs - b.seenAtMs)
  }

  /** Signatures are costly to check: a liar must not have us do that as often as it likes. */
  #mayTry(name: string): boolean {
    const nowMs = this.#parts.clock.bootMs()
    const lastMs = this.#tried.get(name)
    if (lastMs !== undefined && nowMs - lastMs < EQUIVOCATION_TRY_MS) return false
    this.#tried.set(name, nowMs)
    return true
  }

  #keep(proven: ProvenEquivocation, text: string): void {
    const { folder, log } = this.#parts
    const isFull = this.#files >= EQUIVOCATIONS_MAX
    if (folder === undefined || !this.#keeps) return
    if (isFull || this.#bytes + text.length > EQUIVOCATIONS_BYTES_MAX) {
      log.error({ peer: proven.found.peer }, 'no room for another proof: the first ones stay')
      return
    }
    this.#files += 1
    this.#bytes += text.length
    // One after the other: nobody waits for a proof but the stop.
    this.#tail = this.#tail
      .then(() => folder.save(proven, text))
      .then(
        () => {
          const summary = summaryOf(proven, folder.fileOf(proven))
          this.#known.set(nameOf(proven.found), summary)
          // A gateway's health is anybody's to read, and says less.
          log.error({ ...summary, code: 'EQUIVOCATION' }, 'a member signed two things')
        },
        (error: unknown) => log.error({ err: error }, 'proof not kept')
      )
  }
}

function nameOf({ kind, peer }: Equivocation): string {
  return `${kind} ${peer}`
}

function summaryOf(
  { found, seenAtMs }: ProvenEquivocation,
  file: string | undefined
): EquivocationSummary {
  return { kind: found.kind, peer: found.peer, subject: subjectOf(found), seenAtMs, file }
}
