import { ACCEPTOR, JOBS, LEASE, type Mutation, NO_EXPIRY, NO_WAIT } from './mutation.ts'

/** Rules of the spec's own text and of 4.12. */
export const RULES: readonly Mutation[] = [
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
    name: 'NORAISE',
    rule: 'a repeated accept promises what its proposer counts on',
    patches: [
      {
        file: ACCEPTOR,
        find: 'promised: highestBallot(promised, promiseOf(request, context)) }',
        replace: 'promised }'
      }
    ]
  },
  {
    name: 'RULE1',
    rule: 'renewals answer from synced records only, 4.12.1*',
    patches: [
      {
        file: ACCEPTOR,
        find: "durability: SHOWING.has(answer) ? 'barrier' : 'none'",
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
    schedule: 'twins',
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
    schedule: 'boots',
    rule: 'a restarted agent removes its containers before it ends their leases, 4.12.8',
    patches: [
      {
        file: 'test/sim/agent.ts',
        find: 'host.reap(peerId, kept, () => process.run(boot, () => this.#begin(candidates)))',
        replace: 'process.arm(0, () => this.#begin(candidates))'
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
    schedule: 'engine',
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
        file: 'test/sim/repairs.ts',
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
    schedule: 'engine',
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
