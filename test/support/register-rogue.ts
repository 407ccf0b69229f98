import type { Ballot } from '../../protocol/core/ballot.ts'
import { compareBallots, NO_BALLOT } from '../../protocol/core/ballot.ts'
import { holdMs } from '../../protocol/core/lease-profile.ts'
import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type {
  Accepted,
  RegisterReply,
  RegisterRequest,
  RegisterValue
} from '../../protocol/core/messages.ts'
import { reduce } from '../../protocol/core/register-reducer.ts'
import type { ClusterMember, RegisterCluster } from './register-cluster.ts'
import { PROFILE, REGISTER } from './register-cluster.ts'

/**
 * A member that claims a job again and again, whatever the promises say of a living lease. It signs
 * what it does and keeps to its own ballots: all that is left to stop it is the guard. With a past
 * that is `made_up` it minds not even what it was promised, and claims a job that it has just
 * created itself.
 */
export class RogueClaimer {
  readonly #cluster: RegisterCluster
  readonly #member: ClusterMember
  readonly #past: 'promised' | 'made_up'
  #claims = 0
  /** How often a quorum let it in. */
  wins = 0

  constructor(cluster: RegisterCluster, past: 'promised' | 'made_up' = 'promised') {
    this.#cluster = cluster
    this.#past = past
    this.#member = cluster.member('rogue')
  }

  start(everyMs: number): void {
    this.#cluster.timeline.after(everyMs, () => {
      this.#claim()
      this.start(everyMs)
    })
  }

  #claim(): void {
    const { peerId, boot } = this.#member
    this.#member.round += 1
    const ballot = { round: this.#member.round, peer: peerId, boot }
    this.#cluster.log.prepares(ballot)
    const promises: Accepted[] = []
    let answers = 0
    this.#ask(
      (scope) => ({ kind: 'prepare', scope, ballot, intent: 'takeover' }),
      (reply) => {
        if (reply?.kind === 'rejected') this.#learn(reply.promised)
        if (reply?.kind !== 'promise') return
        answers += 1
        if (reply.accepted !== undefined) promises.push(reply.accepted)
        if (answers === this.#cluster.quorum) this.#take(ballot, promises)
      }
    )
  }

  #take(ballot: Ballot, promises: readonly Accepted[]): void {
    const base = this.#past === 'made_up' ? this.#created() : newestOf(promises)
    this.#claims += 1
    const claimId = `rogue-${this.#claims}`
    const { signer, boot } = this.#member
    const { leaseMs } = PROFILE
    const op = signer.jobOp(REGISTER, claimId, { kind: 'claim', claimId, boot, leaseMs })
    const { digest, timeline, log } = this.#cluster
    const made = reduce(base, REGISTER, op, digest)
    if (made.kind !== 'next') return
    const { value } = made
    const proposerSig = signer.proposal(REGISTER, 1, ballot, digest.hash(value))
    log.proposes({ ballot, value, proposerSig })
    const startedAtMs = timeline.nowMs
    let yes = 0
    this.#ask(
      (scope) => ({ kind: 'accept', scope, ballot, value, proposerSig, announcement: undefined }),
      (reply) => {
        if (reply?.kind !== 'accepted') return
        yes += 1
        if (yes === this.#cluster.quorum) this.#run(claimId, leasedJob(value)?.epoch, startedAtMs)
      }
    )
  }

  #created(): RegisterValue | undefined {
    const { signer } = this.#member
    const body = { kind: 'create', annHash: 'ann', attemptsMax: 3 } as const
    const op = signer.jobOp(REGISTER, 'rogue-create', body)
    const made = reduce(undefined, REGISTER, op, this.#cluster.digest)
    return made.kind === 'next' ? made.value : undefined
  }

  // Its own container keeps to the deadline, as the guard in it makes it.
  #run(claimId: string, epoch: number | undefined, startedAtMs: number): void {
    const { timeline, log } = this.#cluster
    const deadlineMs = startedAtMs + holdMs(PROFILE)
    if (epoch === undefined || timeline.nowMs >= deadlineMs) return
    this.wins += 1
    log.starts(claimId, epoch)
    timeline.at(deadlineMs, () => log.stops(claimId))
  }

  #learn(promised: Ballot | undefined): void {
    const { round } = promised ?? NO_BALLOT
    this.#member.round = Math.max(this.#member.round, round)
  }

  #ask(
    message: (scope: {
      register: string
      witnessEpoch: number
      storeId: string
      ann: undefined
    }) => RegisterRequest,
    answer: (reply: RegisterReply | undefined) => void
  ): void {
    for (const { peerId, storeId } of this.#cluster.refs()) {
      const scope = { register: REGISTER, witnessEpoch: 1, storeId, ann: undefined }
      const heard = { done: false }
      this.#cluster.request(this.#member, peerId, message(scope), (reply) => {
        if (heard.done) return
        heard.done = true
        answer(reply)
      })
    }
  }
}

function newestOf(promises: readonly Accepted[]): RegisterValue | undefined {
  return promises.toSorted((a, b) => compareBallots(b.ballot, a.ballot))[0]?.value
}
