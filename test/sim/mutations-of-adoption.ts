import { ACCEPTOR, type Mutation } from './mutation.ts'

const ADOPTION = 'test/sim/adoption.ts'

/** A restart without loss (lease-protocol 4.7, docs/decisions/0011). */
export const OF_ADOPTION: readonly Mutation[] = [
  {
    name: 'ANYBOOT',
    schedule: 'restarts',
    rule: 'a renewal names the process that the lease is of, 4.5',
    patches: [
      {
        file: ACCEPTOR,
        find: 'const same = lease.claimId === item.claimId && lease.boot === item.boot\n',
        replace: 'const same = lease.claimId === item.claimId\n'
      }
    ]
  },
  {
    name: 'ADOPTBLIND',
    schedule: 'restarts',
    rule: 'a lease is taken on by what a quorum has chosen, 4.7',
    patches: [
      {
        file: ADOPTION,
        find: '    } else again()\n',
        replace:
          '    } else {\n      const { jobId, epoch, claimId } = candidate.record\n      const won = { jobId, epoch, claimId, startedAtMs: parts.process.nowMs, isAdopted: true, told: undefined }\n      done(won)\n    }\n'
      }
    ]
  },
  {
    name: 'ADOPTLATE',
    schedule: 'restarts',
    rule: 'a deadline that has passed is not put off by an adoption, 4.7',
    patches: [
      {
        file: ADOPTION,
        find: 'const isOver = process.nowMs >= (container.deadlineMs ?? 0)\n',
        replace: 'const isOver = process.nowMs < 0 && container === undefined\n'
      }
    ]
  },
  {
    name: 'ADOPTSTART',
    rule: 'an adopted lease counts from the start of its adoption, 4.5',
    patches: [
      {
        file: ADOPTION,
        find: '(isOurs ? done(won) : again()))',
        replace: '(isOurs ? done({ ...won, startedAtMs: parts.process.nowMs }) : again()))'
      }
    ]
  },
  {
    name: 'LOGTWICE',
    rule: 'an adopted attempt goes on behind the lines that its log has',
    patches: [
      {
        file: 'test/sim/log.ts',
        find: 'this.#read = this.#numbered\n',
        replace: 'this.#read = 0\n'
      }
    ]
  }
]
