import type { Ballot } from '../../protocol/core/ballot.ts'
import { compareBallots } from '../../protocol/core/ballot.ts'
import type { ChangeResult } from '../../protocol/core/change.ts'
import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type { Accepted, RegisterValue } from '../../protocol/core/messages.ts'
import type { AcceptorRecord, Digest } from '../../protocol/core/ports.ts'
import { reduce } from '../../protocol/core/register-reducer.ts'

type Op = RegisterValue['op']

/**
 * Watches one register from above and knows what no single peer knows: what is chosen. Every broken
 * invariant (lease-protocol 7.3) becomes one line in `problems`.
 */
export class RegisterLog {
  readonly problems: string[] = []
  /** Chosen values in the order in which they came to be chosen. */
  readonly chosen: Accepted[] = []
  readonly #digest: Digest
  readonly #quorum: number
  readonly #values = new Map<string, RegisterValue>()
  readonly #ballots = new Map<string, string>()
  readonly #prepared = new Set<string>()
  readonly #records = new Map<string, AcceptorRecord>()
  readonly #holders = new Map<string, Set<string>>()
  readonly #answers: { readonly op: Op; readonly result: ChangeResult }[] = []
  readonly #running = new Map<string, number>()

  constructor(digest: Digest, quorum: number) {
    this.#digest = digest
    this.#quorum = quorum
  }

  /** A proposer begins a round. */
  prepares(ballot: Ballot): void {
    const key = keyOf(ballot)
    if (this.#prepared.has(key)) this.problems.push(`ballot ${key} is used a second time`)
    this.#prepared.add(key)
  }

  /** A proposer sends an accept. */
  proposes({ ballot, value }: Accepted): void {
    const hash = this.#digest.hash(value)
    this.#values.set(hash, value)
    const before = this.#ballots.get(keyOf(ballot))
    if (before !== undefined && before !== hash) {
      this.problems.push(`I1: two values under ballot ${keyOf(ballot)}`)
    }
    this.#ballots.set(keyOf(ballot), hash)
  }

  /** A witness's record is on its disk. */
  syncs(witness: string, record: AcceptorRecord): void {
    const before = this.#records.get(witness)
    if (before !== undefined && goesBack(before, record)) {
      this.problems.push(`I3: ${witness} went back from ${keyOf(before.promised)}`)
    }
    this.#records.set(witness, record)
    if (record.accepted !== undefined) this.#holds(witness, record.accepted)
  }

  starts(agent: string, epoch: number): void {
    this.#running.set(agent, epoch)
    if (this.#running.size > 1) {
      const all = [...this.#running].map(([name, e]) => `${name} in epoch ${e}`)
      this.problems.push(`I7: two containers: ${all.join(', ')}`)
    }
  }

  stops(agent: string): void {
    this.#running.delete(agent)
  }

  answers(op: Op | undefined, result: ChangeResult): void {
    if (op !== undefined) this.#answers.push({ op, result })
  }

  /** The value that is chosen last, by ballot. */
  newest(): RegisterValue | undefined {
    return this.#inOrder().at(-1)?.value
  }

  /** All that was ever applied, first to last. */
  chain(): readonly RegisterValue[] {
    const found: RegisterValue[] = []
    let value = this.newest()
    while (value !== undefined) {
      found.unshift(value)
      value = this.#values.get(value.prevHash)
    }
    return found
  }

  /** Judges the whole history; call it once all is quiet. */
  finish(): readonly string[] {
    this.#checkChain()
    this.#checkHolders()
    this.#checkAnswers()
    return this.problems
  }

  #holds(witness: string, accepted: Accepted): void {
    const key = `${keyOf(accepted.ballot)}#${this.#digest.hash(accepted.value)}`
    const holders = this.#holders.get(key) ?? new Set<string>()
    this.#holders.set(key, holders)
    if (holders.has(witness)) return
    holders.add(witness)
    if (holders.size === this.#quorum) this.chosen.push(accepted)
  }

  #inOrder(): Accepted[] {
    return this.chosen.toSorted((a, b) => compareBallots(a.ballot, b.ballot))
  }

  #checkChain(): void {
    const chain = this.chain()
    const hashes = new Set(chain.map((value) => this.#digest.hash(value)))
    const lost = this.chosen.filter(({ value }) => !hashes.has(this.#digest.hash(value)))
    if (lost.length > 0) this.problems.push(`I2: ${lost.length} chosen values are in no chain`)
    let versions = 0
    for (const { value } of this.#inOrder()) {
      if (value.version < versions) this.problems.push(`I2: version ${value.version} came back`)
      versions = value.version
    }
    chain.forEach((value, index) => {
      const made = reduce(chain[index - 1], value.register, value.op, this.#digest)
      const same =
        made.kind === 'next' && this.#digest.hash(made.value) === this.#digest.hash(value)
      if (!same) this.problems.push(`I4/I5: version ${value.version} follows no rule`)
    })
  }

  #checkHolders(): void {
    const holders = new Map<number, string>()
    for (const { value } of this.chosen) {
      const job = leasedJob(value)
      if (job === undefined) continue
      const holder = `${job.lease.holder}/${job.lease.claimId}`
      const before = holders.get(job.epoch) ?? holder
      if (before !== holder) this.problems.push(`I5: two holders of epoch ${job.epoch}`)
      holders.set(job.epoch, holder)
    }
  }

  // A definite answer is one that the end of the history bears out.
  #checkAnswers(): void {
    const applied = this.chain().map(({ op }) => op)
    for (const { op, result } of this.#answers) {
      const inChain = applied.some(({ opId, actor }) => opId === op.opId && actor === op.actor)
      const created = op.body.kind === 'create' && result.kind === 'same'
      const yes = result.kind === 'applied' || (result.kind === 'same' && !created)
      const no = result.kind === 'rejected' || result.kind === 'busy'
      const text = `${op.actor} heard ${result.kind} to ${op.body.kind}`
      if (yes && !inChain && !sameClaim(applied, op)) this.problems.push(`${text}, but it is lost`)
      if (no && inChain) this.problems.push(`${text}, but it is applied`)
    }
  }
}

// A second cancel is `same` by the flag that is there already.
function sameClaim(applied: readonly Op[], { body }: Op): boolean {
  return body.kind === 'cancel' && applied.some((other) => other.body.kind === 'cancel')
}

function goesBack(before: AcceptorRecord, after: AcceptorRecord): boolean {
  if (compareBallots(after.promised, before.promised) < 0) return true
  if (before.accepted === undefined) return false
  return (
    after.accepted === undefined ||
    compareBallots(after.accepted.ballot, before.accepted.ballot) < 0
  )
}

function keyOf({ round, peer, boot }: Ballot): string {
  return `${round}/${peer}/${boot}`
}
