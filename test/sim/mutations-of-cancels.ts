import { HOLDER, JOBS, type Mutation } from './mutation.ts'

const TOLD = "    this.#steps = 'told'\n"

/** Cancels with a grace (docs/protocol.md, "Values"; docs/decisions/0047). */
export const OF_CANCELS: readonly Mutation[] = [
  {
    name: 'GRACEPROMISED',
    schedule: 'graces',
    rule: 'a grace is no lease: the deadline is put off by renewals alone',
    patches: [
      {
        file: HOLDER,
        find: TOLD,
        replace: `${TOLD}    host.writeDeadline(claimId, process.nowMs + graceMs)\n`
      }
    ]
  },
  {
    name: 'GRACEFIRST',
    schedule: 'graces',
    rule: 'a loss of lease or network ends a grace at once',
    patches: [
      {
        file: HOLDER,
        find: "if (this.#steps === 'told' && !this.#isAborted) scene.count('holder: lost in a grace')\n",
        replace: "if (this.#steps === 'told' && !this.#isAborted) return\n"
      }
    ]
  },
  {
    name: 'GRACEENDLESS',
    schedule: 'graces',
    rule: 'a grace ends in its time, however often the lease is renewed, V4',
    patches: [
      {
        file: 'agent/execute/grace.ts',
        find: 'return Math.min(graceEndMs, deadlineMs) - nowMs\n',
        replace: 'return Math.max(graceEndMs, deadlineMs) - nowMs\n'
      }
    ]
  },
  {
    name: 'GRACEADOPTED',
    schedule: 'graces',
    rule: 'what steps exit with that an earlier process told to end is no outcome, 4.12.9',
    patches: [
      {
        file: 'agent/claim/conclusion.ts',
        find: "const isOwn = ended.kind === 'outcome' && lease.told === undefined\n",
        replace: "const isOwn = ended.kind === 'outcome'\n"
      }
    ]
  },
  {
    name: 'GRACEOUTCOME',
    schedule: 'graces',
    rule: 'what steps exit with after a SIGTERM of ours is no outcome, 4.12.9',
    patches: [
      {
        file: HOLDER,
        find: "if (this.#steps === 'told') {",
        replace: "if (this.#steps === 'over') {"
      }
    ]
  },
  {
    name: 'GRACESECOND',
    schedule: 'graces',
    rule: 'a cancelled job that is given back is over, 4.12.11',
    patches: [
      {
        file: HOLDER,
        find: 'const cancel = this.#cancel && {',
        replace: 'const cancel = false && this.#cancel && {'
      },
      {
        file: JOBS,
        find: "  const history = withEntry(prev, endedByHolder(prev.epoch, lease, 'released', op))\n  if (prev.cancel !== undefined) return cancelled(prev, prev.cancel, history)\n",
        replace:
          "  const history = withEntry(prev, endedByHolder(prev.epoch, lease, 'released', op))\n"
      },
      {
        file: JOBS,
        find: "  if (used) return 'claim_used'\n  const history = withExpired(prev)\n  if (prev.cancel !== undefined) return cancelled(prev, prev.cancel, history)\n",
        replace: "  if (used) return 'claim_used'\n  const history = withExpired(prev)\n"
      }
    ]
  }
]
