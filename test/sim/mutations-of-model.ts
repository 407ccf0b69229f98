import { ACCEPTOR, LEASE, type Mutation, NO_EXPIRY, NO_GUARD, NO_WAIT } from './mutation.ts'

/** The model's eleven (lease-protocol 7.4). */
export const OF_THE_MODEL: readonly Mutation[] = [
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
        find: "if (container.state !== 'running') return\n      if (!this.#isOver(claimId))",
        replace: "if (claimId !== '') return\n      if (!this.#isOver(claimId))"
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
        find: "if (this.#isOver(claimId)) {\n        this.#scene.count('container: started too late')\n        this.#end(container, EXIT_TOO_LATE)\n        return done(false)\n      }\n      this.#guard(container)",
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
