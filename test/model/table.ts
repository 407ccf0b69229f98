/*
 * What the model is asked. `clean`: every state was visited and nothing promised is broken. Otherwise
 * the promise that the checker must find broken: a model that finds nothing proves nothing.
 */

/** The promises of `lease.pml`, each the name of a bit there. */
export type Broken =
  | 'two_containers'
  | 'two_holders'
  | 'old_epoch'
  | 'two_outcomes'
  | 'outcome_undone'
  | 'foreign_outcome'
  | 'container_beside_outcome'

export interface Row {
  readonly name: string
  /** Names with or without a value: `LIAR`, `CLAIMS1=2`. */
  readonly switches: readonly string[]
  readonly expected: 'clean' | Broken
  /** Minutes rather than seconds: only with `--long`. */
  readonly long?: true
}

const row = (name: string, switches: string, expected: Row['expected'] = 'clean'): Row => ({
  name,
  switches: switches.split(' ').filter((word) => word !== ''),
  expected
})

const long = (name: string, switches: string): Row => ({ ...row(name, switches), long: true })

const CLEAN: readonly Row[] = [
  row('a take-over beside a holder that renews', ''),
  row('... and a witness restarts', 'RESTARTS=1'),
  row('... and an accept comes late', 'LATE=1'),
  row('... and the take-over does not ask', 'ROGUE RESTARTS=1'),
  row('both claim again', 'CLAIMS0=1 RENEWS=1'),
  row('both race for the first claim', 'FRESH CLAIMS0=1 RENEWS=1'),
  row('... and one of them tries twice', 'FRESH CLAIMS0=1 CLAIMS1=2 RENEWS=0 ROUND0=2'),
  row('the holder completes beside a take-over', 'ENDS0=1'),
  row('... after a take-over', 'ENDS0=1 ROUND0=1'),
  row('the holder releases beside a claim', 'ENDS0=1 ENDWITH=RELEASE'),
  row('a cancel, then a claim', 'CANCELS1=1 RENEWS=1'),
  row('a cancel beside a completion', 'CANCELS1=1 CLAIMS1=0 ENDS0=1 ROUND0=1'),
  row('a cancel beside a release', 'CANCELS1=1 CLAIMS1=0 ENDS0=1 ENDWITH=RELEASE ROUND0=1'),
  row('a cancel that means to end the lease at once', 'CANCELENDS CANCELS1=1 CLAIMS1=0'),
  row('a made-up past against a renewed lease', 'LIAR RENEWED RESTARTS=1'),
  row('five witnesses', 'WITNESSES=5 RENEWS=1'),
  long('five witnesses, a race for the first claim', 'WITNESSES=5 FRESH CLAIMS0=1 RENEWS=0'),
  long('a restart and a late accept', 'RESTARTS=1 LATE=1'),
  long('both claim again, any renewals', 'CLAIMS0=1'),
  long('the holder completes, twice if need be', 'ENDS0=2'),
  long('a cancel, then a claim, any renewals', 'CANCELS1=1')
]

const BROKEN: readonly Row[] = [
  row('nobody waits for the lease', 'NOGUARD', 'two_containers'),
  row('the proposer alone waits', 'PROPONLY', 'two_containers'),
  row('nobody waits, with five witnesses', 'NOGUARD WITNESSES=5 RENEWS=1', 'two_containers'),
  row('a witness forgets its records', 'AMNESIA RESTARTS=1', 'two_containers'),
  row(
    'a witness forgets its promises',
    'NOPROMISE FRESH CLAIMS0=1 RENEWS=1 RESTARTS=1',
    'two_holders'
  ),
  row('only the agent ends its container', 'NOSWITCH', 'two_containers'),
  row('a deadline counts from the answers', 'LATESTART', 'two_containers'),
  row('take-over before the holder ends', 'SHORTTAKE', 'two_containers'),
  row('a restart counts as expired', 'RESTARTZERO RESTARTS=1', 'two_containers'),
  row('a container starts too late', 'LATEBOOT CLAIMS0=1', 'two_containers'),
  row('an old epoch is renewed', 'ROGUE STALERENEW', 'two_containers'),
  row(
    "a rival's timer is kept",
    'KEEPRT FRESH CLAIMS0=1 CLAIMS1=2 RENEWS=1 ROUND0=1',
    'two_containers'
  ),
  row(
    'a retried claim counts from the retry',
    'SAMELATE FRESH CLAIMS0=1 CLAIMS1=2 RENEWS=0 ROUND0=2',
    'two_containers'
  ),
  row(
    'a release before the container is gone',
    'EARLYRELEASE ENDS0=1 ENDWITH=RELEASE',
    'two_containers'
  ),
  row("an old holder's end counts", 'FOREIGNEND ENDS0=1 ROUND0=1', 'foreign_outcome'),
  row('an ended job is claimed again', 'REOPEN ENDS0=1', 'container_beside_outcome'),
  row(
    'a cancel ends a lease, unguarded',
    'CANCELENDS MILDCANCEL CANCELS1=1 CLAIMS1=0',
    'container_beside_outcome'
  ),
  row('a renewal proves nothing', 'LIAR RENEWED TRUSTING', 'two_containers'),
  // Known and open: decision 7.
  row('a made-up past against an unrenewed lease', 'LIAR', 'two_containers')
]

export const TABLE: readonly Row[] = [...CLEAN, ...BROKEN]
