import type { ScheduleName } from './schedules.ts'

/** One exact change of one source file: `find` occurs in it exactly once. */
export interface Patch {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/**
 * A rule of the protocol left out on purpose. Production code knows nothing of it: the file is
 * patched while it is loaded, in a process of its own.
 */
export interface Mutation {
  readonly name: string
  /** The rule that is left out, and where it is written down. */
  readonly rule: string
  readonly patches: readonly Patch[]
  /** Found by this schedule, and hardly by random trouble. */
  readonly schedule?: ScheduleName
}

const ACCEPTOR = 'protocol/core/acceptor.ts'
const DECIDE = 'protocol/core/decide.ts'
const LEASE = 'protocol/core/lease.ts'
const PROPOSER = 'protocol/core/proposer.ts'
const WAVES = 'protocol/core/proposer-waves.ts'
const JOBS = 'protocol/core/job-reducer.ts'

const NO_GUARD: Patch = {
  file: ACCEPTOR,
  find: 'if (permits(known, value, { leftMs, confirmed: state.confirmed })) return\n',
  replace: 'if (permits(known, value, { leftMs: 0, confirmed: false })) return\n'
}

const NO_WAIT: Patch = {
  file: DECIDE,
  find: 'if (leasedJob(base) === undefined) return 0\n',
  replace: 'if (leasedJob(base) === undefined || base !== undefined) return 0\n'
}

const NO_EXPIRY: Patch = {
  file: LEASE,
  find: "if (running && nowMs >= hold.deadlineMs) return lose(hold, 'expired')\n",
  replace: ''
}

/** The model's eleven (lease-protocol 7.4). */
const OF_THE_MODEL: readonly Mutation[] = [
  { name: 'NOGUARD', rule: 'the lease guard, 4.5', patches: [NO_GUARD, NO_WAIT] },
  { name: 'PROPONLY', rule: 'the guard is in the acceptor, 7.4', patches: [NO_GUARD] },
  {
    name: 'AMNESIA',
    rule: 'an acceptance is synced, D2',
    patches: [
      {
        file: ACCEPTOR,
        find: "reply: { kind: 'accepted', ballot, wseq: 0 },\n    durability: 'save'",
        replace: "reply: { kind: 'accepted', ballot, wseq: 0 },\n    durability: 'none'"
      }
    ]
  },
  {
    name: 'NOPROMISE',
    rule: 'a promise is synced, D1',
    patches: [
      {
        file: ACCEPTOR,
        find: "reply: { kind: 'promise', ballot, accepted, lease, wseq: 0 },\n    durability: 'save'",
        replace:
          "reply: { kind: 'promise', ballot, accepted, lease, wseq: 0 },\n    durability: 'none'"
      }
    ]
  },
  {
    name: 'NOSWITCH',
    rule: 'the container ends without its agent, R1',
    patches: [
      {
        file: 'test/sim/container-host.ts',
        find: "if (container.state !== 'running') return\n      if (this.#isOver(claimId))",
        replace: "if (container.state !== 'running') return\n      if (claimId === '')"
      }
    ]
  },
  {
    name: 'LATESTART',
    rule: 'a lease counts from the start of its round, 4.7',
    patches: [
      {
        file: LEASE,
        find: 'startedAtMs + holdMs(hold.profile)',
        replace: 'nowMs + holdMs(hold.profile)'
      },
      {
        file: LEASE,
        find: 'const deadlineMs = claimStartedAtMs + holdMs(profile)',
        replace: 'const deadlineMs = nowMs + holdMs(profile)'
      }
    ]
  },
  {
    name: 'SHORTTAKE',
    rule: 'the take-over time is longer than a lease, 4.11',
    patches: [
      {
        file: 'protocol/core/lease-profile.ts',
        find: 'takeOverMs: 3_500,',
        replace: 'takeOverMs: 2_000,'
      },
      {
        file: 'protocol/core/lease-profile.ts',
        find: 'takeOverMs: 32_000,',
        replace: 'takeOverMs: 24_000,'
      }
    ]
  },
  {
    name: 'RESTARTZERO',
    rule: 'a restarted witness counts from its start, 4.5',
    patches: [
      {
        file: ACCEPTOR,
        find: 'timer: { renewedAtMs: nowMs, fenced: false, stage: undefined },\n    confirmed',
        replace: 'timer: { renewedAtMs: -1e9, fenced: false, stage: undefined },\n    confirmed'
      }
    ]
  },
  {
    name: 'LATEBOOT',
    rule: 'no container starts after its deadline, whoever looks, 4.7',
    patches: [
      {
        file: 'test/sim/container-host.ts',
        find: 'if (this.#isOver(claimId)) {\n        this.#end(container, EXIT_TOO_LATE)\n        return done(false)\n      }\n      this.#guard(container)',
        replace: 'if (!this.#isOver(claimId)) this.#guard(container)'
      },
      {
        file: 'test/sim/holder.ts',
        find: 'if (process.nowMs >= (this.#hold?.deadlineMs ?? 0)) {',
        replace: 'if (this.#hold === undefined) {'
      },
      {
        file: LEASE,
        find: 'return nowMs <= hold.deadlineMs - hold.profile.startMsMin\n',
        replace: 'return nowMs <= hold.deadlineMs * hold.profile.startMsMin\n'
      },
      NO_EXPIRY
    ]
  },
  {
    name: 'STALERENEW',
    schedule: 'swizzle',
    rule: 'a later epoch ends the renewals of the one before, 4.5',
    patches: [
      {
        file: ACCEPTOR,
        find: "if (lease === undefined || job.epoch > item.epoch) return step('stale')",
        replace: "if (lease === undefined || job.epoch > item.epoch) return step('ok')"
      }
    ]
  },
  {
    name: 'KEEPRT',
    rule: 'another claim of the same epoch starts the timer anew, 4.5',
    patches: [
      {
        file: ACCEPTOR,
        find: 'const sameLease = sameLeaseKey(known, value)\n',
        replace: 'const sameLease = leasedJob(known)?.epoch === leasedJob(value)?.epoch\n'
      },
      {
        file: ACCEPTOR,
        find: 'const byHolder = changed && job.op.actor === job.lease.holder\n',
        replace: 'const byHolder = false && changed\n'
      }
    ]
  }
]

/** The pitfalls of CASPaxos (lease-protocol, section 2). */
const PITFALLS: readonly Mutation[] = [
  {
    name: 'PITFALL2',
    rule: 'a counter is never lowered',
    patches: [
      {
        file: WAVES,
        find: 'return Math.max(ownRound + 1, Math.min(seenRound + 1, ownRound + BALLOT_JUMP_MAX))',
        replace: 'return Math.max(1, Math.min(seenRound, ownRound + BALLOT_JUMP_MAX))'
      }
    ]
  },
  {
    name: 'PITFALL3',
    rule: 'a promise is kept, and compared with, beside what is accepted',
    patches: [
      {
        file: ACCEPTOR,
        find: 'const record = { promised: ballot, accepted: { ballot, value, proposerSig } }',
        replace: 'const record = { promised: NO_BALLOT, accepted: { ballot, value, proposerSig } }'
      },
      {
        file: ACCEPTOR,
        find: 'return highestBallot(state.record.promised, state.record.accepted?.ballot ?? NO_BALLOT)',
        replace: 'return state.record.promised'
      }
    ]
  },
  {
    name: 'PITFALL3B',
    rule: 'only a higher ballot is promised, no equal one',
    patches: [
      {
        file: ACCEPTOR,
        find: 'if (compareBallots(ballot, highest) <= 0) {',
        replace: 'if (compareBallots(ballot, highest) < -1e9) {'
      }
    ]
  },
  {
    name: 'PITFALL4',
    rule: 'another value under an accepted ballot is refused',
    patches: [
      {
        file: ACCEPTOR,
        find: 'if (accepted !== undefined && compareBallots(ballot, accepted.ballot) === 0) {',
        replace: 'if (accepted === undefined && compareBallots(ballot, highest) < 0) {'
      }
    ]
  },
  {
    name: 'PITFALL5',
    rule: 'what one witness holds is not chosen',
    patches: [
      {
        file: 'protocol/core/reader.ts',
        find: 'return same.length >= quorum\n',
        replace: 'return same.length >= 1\n'
      }
    ]
  },
  {
    name: 'PITFALL6',
    rule: 'an accept that was sent is never reported as failed',
    patches: [
      {
        file: PROPOSER,
        find: "return isHopeless(phase.tally, 'accepted') ? backOff(state, phase) : [state, []]",
        replace:
          "if (!isHopeless(phase.tally, 'accepted')) return [state, []]\n  const verdict = { kind: 'rejected', reason: 'not_allowed', value: undefined } as const\n  return done(state, verdict, { chosen: undefined, lagging: [], tally: phase.tally })"
      }
    ]
  },
  {
    name: 'PITFALL7',
    rule: 'a no is written back before it is said',
    patches: [
      {
        file: PROPOSER,
        find: "if (decision.kind === 'busy' && !mayBeOut(state)) {",
        replace:
          "if (decision.kind === 'rejected') {\n    const { reason, value } = decision\n    const verdict = { kind: 'rejected', reason, value } as const\n    return done(state, verdict, { chosen: undefined, lagging: [], tally })\n  }\n  if (decision.kind === 'busy' && !mayBeOut(state)) {"
      }
    ]
  },
  {
    name: 'PITFALL13',
    rule: 'memory changes in the turn of the decision',
    patches: [
      {
        file: 'test/sim/witness.ts',
        find: 'register.state = step.state\n    if (step.durability',
        replace:
          'this.#parts.process.arm(3, () => {\n      register.state = step.state\n    })\n    if (step.durability'
      }
    ]
  },
  {
    name: 'LOWQUORUM',
    rule: 'any two majorities share a witness',
    patches: [
      {
        file: 'protocol/core/witnesses.ts',
        find: 'return Math.floor(count / 2) + 1',
        replace: 'return Math.max(1, Math.floor(count / 2))'
      }
    ]
  },
  {
    name: 'ANYVALUE',
    rule: 'the value of the highest ballot among the promises is the base',
    patches: [
      {
        file: DECIDE,
        find: '> 0 ? b : a\n',
        replace: '> 0 && a === undefined ? b : a\n'
      }
    ]
  }
]

/** Rules of the spec's own text and of 4.12. */
const RULES: readonly Mutation[] = [
  {
    name: 'NOBARRIER',
    rule: 'a read waits for the sync of what it shows, D3',
    patches: [
      {
        file: ACCEPTOR,
        find: "return { state, reply, durability: 'barrier' }\n}\n\n/** A soft renewal",
        replace: "return { state, reply, durability: 'none' }\n}\n\n/** A soft renewal"
      }
    ]
  },
  {
    name: 'NOREPEAT',
    rule: 'a repeated accept waits for the sync, too',
    patches: [
      {
        file: ACCEPTOR,
        find: "return { state, reply, durability: 'barrier' }\n}\n\nfunction acceptRefusal",
        replace: "return { state, reply, durability: 'none' }\n}\n\nfunction acceptRefusal"
      }
    ]
  },
  {
    name: 'RULE1',
    rule: 'renewals answer from synced records only, 4.12.1*',
    patches: [
      {
        file: ACCEPTOR,
        find: "durability: answer === 'ok' || answer === 'stale' ? 'barrier' : 'none'",
        replace: "durability: 'none'"
      }
    ]
  },
  {
    name: 'RULE2',
    rule: 'a claim has succeeded only if the value is leased to it, 4.12.2',
    patches: [
      {
        file: LEASE,
        find: 'const lease = leasedJob(value)?.lease\n',
        replace:
          "if (value?.kind === 'job') return value.epoch > 0\n  const lease = leasedJob(value)?.lease\n"
      }
    ]
  },
  {
    name: 'RULE7',
    rule: 'a job is created from a chosen announcement, 4.12.7',
    patches: [
      {
        file: 'test/sim/gateway.ts',
        find: 'if (result.value.annHash === annHash) return done(one)',
        replace: "if (annHash !== '') return done(one)"
      }
    ]
  },
  {
    name: 'RULE8',
    rule: 'a restarted agent removes its containers before it ends their leases, 4.12.8',
    patches: [
      {
        file: 'test/sim/agent.ts',
        find: 'host.reap(process.peerId, new Set(), () => {',
        replace: 'process.arm(0, () => {'
      }
    ]
  },
  {
    name: 'RULE9',
    rule: 'a kill by us is never an outcome, 4.12.9',
    patches: [
      {
        file: 'test/sim/holder.ts',
        find: 'if ([EXIT_TOO_LATE, EXIT_DEADLINE, EXIT_KILLED].includes(exit)) {',
        replace: 'if (exit < 0) {'
      }
    ]
  },
  {
    name: 'RULE13',
    rule: 'the container is gone before the lease is released, 4.12.13',
    patches: [
      {
        file: 'test/sim/holder.ts',
        find: "this.#removed(() => this.#interrupted('interrupted'))",
        replace: "this.#interrupted('interrupted')\n    this.#removed(() => undefined)"
      }
    ]
  },
  {
    name: 'RULE16',
    rule: 'a renewal of another claim of the same epoch is behind, 4.12.16',
    patches: [
      {
        file: ACCEPTOR,
        find: "if (lease.holder !== context.remote || !same) return step('behind')",
        replace:
          "if (lease.holder !== context.remote && !same && job.epoch < 0) return step('behind')"
      }
    ]
  },
  {
    name: 'RULE17',
    schedule: 'lossy',
    rule: 'a chosen value is brought to those that lag, 4.12.17',
    patches: [
      {
        file: 'test/sim/client.ts',
        find: 'if (!peers.includes(witness.peerId) || this.#pushed.has(name)) continue',
        replace: "if (!peers.includes(witness.peerId) || name !== '') continue"
      }
    ]
  },
  {
    name: 'POISON',
    rule: 'nothing is asked for before a majority has waited, 4.6',
    patches: [NO_WAIT]
  },
  {
    name: 'WRITEBACK',
    rule: 'a write-back is no renewal, 4.5',
    patches: [
      {
        file: ACCEPTOR,
        find: 'if (sameLease && !byHolder) return state.timer\n',
        replace: ''
      }
    ]
  },
  {
    name: 'ROLLBACK',
    rule: 'a witness asks others before it shows an old store, 4.8',
    patches: [
      {
        file: 'test/sim/witness.ts',
        find: "if (reply?.kind === 'seen' && reply.seq > this.#shownSeq) this.#distrust()\n",
        replace: ''
      }
    ]
  },
  {
    name: 'EARLY202',
    rule: 'a delivery is answered once it is stored, I9',
    patches: [
      {
        file: 'test/sim/gateway.ts',
        find: 'afterSync(this.#parts, seq, () => {\n      scene.emit',
        replace:
          "scene.emit({ kind: 'received', gateway, delivery: delivery.id })\n    afterSync(this.#parts, seq, () => {\n      scene.emit"
      }
    ]
  },
  {
    name: 'REVIVAL',
    rule: 'a terminal state absorbs, 4.2',
    patches: [
      {
        file: JOBS,
        find: "if (isTerminal(prev.phase)) return 'terminal'\n",
        replace: "if (isTerminal(prev.phase) && prev.phase === 'errored') return 'terminal'\n"
      }
    ]
  },
  {
    name: 'TWICE',
    rule: 'an op whose id was seen is not applied again, 4.2',
    patches: [
      {
        file: JOBS,
        find: 'if (prev.lastOps.some((seen) => seen.opId === op.opId && seen.actor === op.actor)) {',
        replace: 'if (prev.lastOps.length < 0) {'
      }
    ]
  },
  {
    name: 'LATERENEW',
    rule: 'a spent lease with a container is never extended, 4.12.14',
    patches: [
      {
        file: LEASE,
        find: 'if (hold.proposed || !(alive || isUnstarted(hold))) return [hold, []]',
        replace: 'if (hold.proposed && alive && hold.deadlineMs < 0) return [hold, []]'
      },
      NO_EXPIRY,
      {
        file: LEASE,
        find: 'return nowMs < hold.deadlineMs || (isUnstarted(hold) && !hold.proposed)',
        replace: 'return nowMs < Number.MAX_VALUE || (isUnstarted(hold) && !hold.proposed)'
      }
    ]
  }
]

export const MUTATIONS: readonly Mutation[] = [...OF_THE_MODEL, ...PITFALLS, ...RULES]
