import { type Equivocation, type EquivocationSummary, subjectOf } from '../../core/equivocation.ts'
import {
  EQUIVOCATION_TRIES_MAX,
  EQUIVOCATION_TRY_MS,
  EQUIVOCATIONS_BYTES_MAX,
  EQUIVOCATIONS_MAX
} from '../../core/equivocation-limits.ts'
import { codeOf } from '../../core/errors.ts'
import { MEMBERS_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { Log } from '../../host/log.ts'
import { encodeEquivocation, type ProvenEquivocation } from '../../wire/equivocation-codec.ts'
import { hashValue } from '../../wire/value-codec.ts'
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

/** Pairs that were tried since `sinceMs`, of the boot clock. */
interface Tries {
  readonly sinceMs: number
  readonly pairs: Set<string>
}

/**
 * Members that signed two different things where the protocol allows one: told of until somebody
 * has looked at them, with both things as proof. One of each kind and member, the first.
 */
export class Equivocations {
  readonly #parts: EquivocationsParts
  readonly #known = new Map<string, EquivocationSummary>()
  /** By kind and member: there are two kinds. */
  readonly #tried = new Lru<string, Tries>(2 * MEMBERS_MAX)
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

  /** For two things that a member seems to have signed; what proves nothing is logged. */
  hear(found: Equivocation): void {
    if (this.mayTry(found.kind, found.peer, pairOf(found))) this.prove(found)
  }

  /**
   * Whether two things, named by `pair`, are worth a try, which this counts: for whoever has to
   * read something first. What a stranger signs is nobody's business; and signatures are costly to
   * check: a liar must not have us do that as often as it likes, nor spend the tries with one pair.
   */
  mayTry(kind: Equivocation['kind'], peer: string, pair: string): boolean {
    const { rosters, clock } = this.#parts
    const name = nameOf({ kind, peer })
    if (this.#known.has(name)) return false
    const members = rosters.current()?.roster.members ?? []
    if (!members.some(({ peerId }) => peerId === peer)) return false
    const { pairs } = this.#triesOf(name, clock.bootMs())
    if (pairs.has(pair) || pairs.size >= EQUIVOCATION_TRIES_MAX) return false
    pairs.add(pair)
    return true
  }

  /** Verifies both signatures, since whoever showed them may have made them up; after mayTry. */
  prove(found: Equivocation): void {
    const { clock, log } = this.#parts
    const name = nameOf(found)
    // Another pair may have been proven while this one was read.
    if (this.#known.has(name)) return
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

  #triesOf(name: string, nowMs: number): Tries {
    const last = this.#tried.get(name)
    if (last !== undefined && nowMs - last.sinceMs < EQUIVOCATION_TRY_MS) return last
    const tries = { sinceMs: nowMs, pairs: new Set<string>() }
    this.#tried.set(name, tries)
    return tries
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

function nameOf({ kind, peer }: Pick<Equivocation, 'kind' | 'peer'>): string {
  return `${kind} ${peer}`
}

// With the signatures: a pair that somebody made up must not stand for the one that was signed.
function pairOf(found: Equivocation): string {
  if (found.kind === 'announcements') return `${found.first.annHash} ${found.second.annHash}`
  const { register, witnessEpoch, first, second } = found
  const things = [first, second].map(({ value, proposerSig }) => {
    return `${hashValue(value)} ${proposerSig}`
  })
  const { round, boot } = first.ballot
  return `${register}@${witnessEpoch} ${round} ${boot} ${things.join(' ')}`
}

function summaryOf(
  { found, seenAtMs }: ProvenEquivocation,
  file: string | undefined
): EquivocationSummary {
  return { kind: found.kind, peer: found.peer, subject: subjectOf(found), seenAtMs, file }
}
