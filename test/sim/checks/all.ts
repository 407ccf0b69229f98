import type { Checker } from '../events.ts'
import { checkCancelled, checkEndedAtOnce } from './cancelled.ts'
import { checkI1 } from './i01-one-value-per-ballot.ts'
import { checkI2 } from './i02-one-chain.ts'
import { checkI3 } from './i03-no-way-back.ts'
import { checkAnswers } from './i04-answers.ts'
import { checkI4 } from './i04-one-outcome.ts'
import { checkI5 } from './i05-epochs.ts'
import { checkOneLeaseAClaim } from './i05-one-lease-a-claim.ts'
import { checkEarlyStart } from './i06-early-start.ts'
import { checkI6 } from './i06-one-lease.ts'
import { checkOneProcess } from './i06-one-process.ts'
import { checkDeadlineOfLease } from './i07-deadline-of-lease.ts'
import { checkGoneFirst } from './i07-gone-first.ts'
import { checkI7 } from './i07-one-container.ts'
import { checkI8 } from './i08-no-late-start.ts'
import { checkI9 } from './i09-no-lost-delivery.ts'
import { checkI10 } from './i10-nothing-unsynced.ts'
import { checkPromisesKept } from './i10-promises-kept.ts'
import { checkI11 } from './i11-one-configuration.ts'
import { checkFloors } from './i12-floors-of-what-ended.ts'
import { checkForgotten } from './i12-forgotten.ts'
import { checkI12 } from './i12-no-creation-below-the-floor.ts'
import { checkI13, type PoisonOptions } from './i13-no-poison.ts'
import { checkNeeds, type NeedsOf } from './needs-first.ts'
import { checkOneLog } from './one-log.ts'

export interface CheckOptions extends PoisonOptions {
  readonly killBudgetMs: number
  readonly guardTickMs: number
  readonly needsOf: NeedsOf
}

/** Every safety invariant of lease-protocol 7.3, each with a memory of its own. */
export function allChecks(options: CheckOptions): readonly Checker[] {
  return [
    checkI1(options.rogues),
    checkI2(),
    checkI3(),
    checkI4(),
    checkAnswers(),
    checkI5(),
    checkOneLeaseAClaim(),
    checkI6(),
    checkOneProcess(),
    checkEarlyStart(),
    checkI7(options.killBudgetMs),
    checkGoneFirst(),
    checkDeadlineOfLease(),
    checkCancelled(),
    checkEndedAtOnce(),
    checkI8(options.guardTickMs),
    checkI9(),
    checkI10(),
    checkPromisesKept(),
    checkI11(),
    checkI12(),
    checkFloors(),
    checkForgotten(),
    checkI13(options),
    checkOneLog(),
    checkNeeds(options.needsOf, options.rogues)
  ]
}
