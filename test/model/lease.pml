/*
 * The lease of one job as a model for Spin: its register on three witnesses (or five), two agents that
 * claim, renew, complete, release and cancel, and the container that each may run. `npm run test:model`
 * checks every row of `table.ts` against it, and says what it found in `docs/protocol.md`.
 *
 * A step is one witness that takes one message, or one tick of time; between two steps anything else may
 * happen. An agent may stand still for ever, which is its crash. Requests are lost, and the answers of
 * accepts; an accept may come when its sender has long gone on. Clocks do not drift here: the
 * margin for drift is the difference between hold time and take-over time, here none, and with SHORTTAKE
 * less than none.
 *
 * Time is kept as what is left (of a lease at a witness, of a container) and as age (of a round), so that
 * it needs no end: without TMAX the clock ticks for ever. TMAX stops it after so many ticks.
 *
 * Not here: create, adopt, error, rosters and their change, moves, collection of old registers, disks that
 * lie, more than one job. Left out since they can only refuse more: fences, refusals because
 * of a signature. `protocol/core` is the rule where this differs.
 */

#ifndef WITNESSES
#define WITNESSES 3
#endif
#define MAJORITY (WITNESSES / 2 + 1)

/* Ticks that a holder counts from the start of a good round, and that a witness waits after its answer. */
#ifndef HOLD
#define HOLD 2
#endif
#ifdef SHORTTAKE          /* a witness lets others in before the holder's time is over */
#define TAKE (HOLD - 1)
#else
#define TAKE HOLD
#endif

/* How often what may happen: rounds of claims, of ends and of cancels by agent, renewals in a row, ... */
#ifndef CLAIMS0
#define CLAIMS0 0
#endif
#ifndef CLAIMS1
#define CLAIMS1 1
#endif
#ifndef ENDS0
#define ENDS0 0
#endif
#ifndef ENDS1
#define ENDS1 0
#endif
#ifndef CANCELS0
#define CANCELS0 0
#endif
#ifndef CANCELS1
#define CANCELS1 0
#endif
/* The round that an agent has heard of: its ballots are above it. */
#ifndef ROUND0
#define ROUND0 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef LATE
#define LATE 0
#endif
/* What a holder proposes at its end: COMPLETE (the container ended by itself) or RELEASE. */
#ifndef ENDWITH
#define ENDWITH COMPLETE
#endif

#define CLAIM    1
#define COMPLETE 2
#define RELEASE  3
#define CANCEL   4

/*
 * The register's value in one number, of bits 0-2 epoch, 3-4 phase, 5-6 claim id, 7 cancel flag, and from
 * bit 8 on four for each epoch that is over: 0, or claim id + 1 where its holder ended it, + 8 where it
 * expired. Claim ids are 2 * (the agent's claims before) + agent; agent 0 holds 0 at the start.
 */
#define QUEUED    0
#define LEASED    1
#define DONE      2
#define CANCELLED 3

#define EPOCHS_MAX 4
#define EPOCH(v)      ((v) & 7)
#define PHASE(v)      (((v) >> 3) & 3)
#define CLAIMID(v)    (((v) >> 5) & 3)
#define FLAGGED(v)    (((v) >> 7) & 1)
#define HISTORY(v)    ((v) & ~255)
#define ENTRY(v, e)   (((v) >> (4 + 4 * (e))) & 15)
#define VALUE(e, phase, claim, flag, history) \
  ((e) | ((phase) << 3) | ((claim) << 5) | ((flag) << 7) | (history))
#define ENDED(v)      (HISTORY(v) | ((CLAIMID(v) + 1) << (4 + 4 * EPOCH(v))))
#define EXPIRED(v)    (HISTORY(v) | ((CLAIMID(v) + 9) << (4 + 4 * EPOCH(v))))
#define TERMINAL(v)   (PHASE(v) >= DONE)
#define SAMELEASE(v, w) (PHASE(v) == LEASED && ((v) & 127) == ((w) & 127))
#define USED(v, c)    (ENTRY(v, 1) % 8 == (c) + 1 || ENTRY(v, 2) % 8 == (c) + 1 || \
                       ENTRY(v, 3) % 8 == (c) + 1 || ENTRY(v, 4) % 8 == (c) + 1)

/* Witnesses. Ballots are 2 * round + agent. */
byte promised[WITNESSES];    /* synced before the answer, like the next two */
byte ballot[WITNESSES];
int  value[WITNESSES];
byte left[WITNESSES];        /* in memory: ticks until others may take over */
bit  confirmed[WITNESSES];   /* in memory: its holder renewed this lease here, or may have */

/* Agents. */
bit  running[2];             /* the container, which outlives its agent */
byte deadline[2];            /* ticks that its guard still gives it */
byte age[2];                 /* ticks since the round or the claim began; HOLD is "too long" */
byte sentBallot[2];          /* the last accept sent, for late delivery */
int  sentValue[2];

/* What an onlooker who sees all has noted of the values known to be chosen. */
byte newest;                 /* highest epoch of them */
byte holder[EPOCHS_MAX + 1]; /* claim id + 1 of the lease of each epoch */
int  outcome;                /* the terminal one */

/* What is promised, each by the name under which the checker reports its breach. */
bit two_containers, two_holders, old_epoch, two_outcomes, outcome_undone, foreign_outcome;
bit container_beside_outcome;

#define PROMISE(name, holds) if :: (holds) -> skip :: else -> name = 1; assert(!name) fi

#define ONE_CONTAINER PROMISE(two_containers, !(running[0] && running[1]))

#ifdef RENEWS
#define MORE_RENEWALS (renews < RENEWS)
#define COUNT_RENEWAL renews++
#else
#define MORE_RENEWALS true
#define COUNT_RENEWAL skip
#endif

#ifdef TMAX
byte now;
#define TIME_LEFT (now < TMAX)
#define COUNT_TICK now++
#else
#define TIME_LEFT true
#define COUNT_TICK skip
#endif

/* ---- rules, and what is wrong with them under each switch ---- */

/* The reducer. NOTHING: the op is rejected, and the value is written back to make the "no" definite. */
#ifdef REOPEN                /* a job that has ended can be claimed again */
#define CLAIMABLE(v) (PHASE(v) != LEASED)
#else
#define CLAIMABLE(v) (PHASE(v) == QUEUED)
#endif

#ifdef FOREIGNEND            /* an end counts under any epoch and claim, so that of an old holder too */
#define ENDS(v, e, c) (PHASE(v) == LEASED)
#else
#define ENDS(v, e, c) (PHASE(v) == LEASED && EPOCH(v) == (e) && CLAIMID(v) == (c))
#endif

#ifdef CANCELENDS            /* a cancel ends a leased job at once, where it should only flag it */
#define CANCELLEASED(v) VALUE(EPOCH(v), CANCELLED, 0, 0, EXPIRED(v))
#else
#define CANCELLEASED(v) ((v) | 128)
#endif

/* A proposer takes a lease over once a majority has said that it is expired there. */
#if defined(NOGUARD) || defined(ROGUE)
#define MAYTAKE true         /* ROGUE: it does not ask */
#else
#define MAYTAKE (expired >= MAJORITY)
#endif

/* The guard: a witness lets a living lease be ended by its holder or by its own clock alone. */
#if defined(NOGUARD) || defined(PROPONLY)
#define PERMITS(w, v) true   /* NOGUARD: nobody waits; PROPONLY: the proposer alone does */
#else
#define PERMITS(w, v) (PHASE(value[w]) != LEASED || SAMELEASE(value[w], v) || left[w] == 0 || \
  ENTRY(v, EPOCH(value[w])) == CLAIMID(value[w]) + 1 || UNCHOSEN(w, v))
#endif
/* A value of a past without this lease is honest while nobody knows the lease as chosen. */
#ifdef TRUSTING              /* a renewal is not taken as the proof that the claim was chosen */
#define UNCHOSEN(w, v) OTHERPAST(w, v)
#else
#define UNCHOSEN(w, v) (!confirmed[w] && OTHERPAST(w, v))
#endif
#define OTHERPAST(w, v) (EPOCH(v) < EPOCH(value[w]) || (EPOCH(v) == EPOCH(value[w]) && !DEPOSES(v)))
#ifdef MILDCANCEL            /* a cancel that ends a lease without its holder passes as harmless */
#define DEPOSES(v) false
#else
#define DEPOSES(v) (PHASE(v) == CANCELLED && (EPOCH(v) == 0 || ENTRY(v, EPOCH(v)) == 0 || \
  ENTRY(v, EPOCH(v)) > 8))
#endif

#ifdef KEEPRT                /* another claim of the same epoch inherits the timer of the first */
#define FRESH_LEASE(w, v) (PHASE(value[w]) != LEASED || EPOCH(value[w]) != EPOCH(v))
#else
#define FRESH_LEASE(w, v) (!SAMELEASE(value[w], v))
#endif

#ifdef STALERENEW            /* a witness renews an epoch although it has accepted a later one */
#define RENEWS_AT(w) (EPOCH(value[w]) >= epoch)
#else
#define RENEWS_AT(w) (PHASE(value[w]) == LEASED && EPOCH(value[w]) == epoch && CLAIMID(value[w]) == claim)
#endif

#ifdef LATESTART             /* a holder counts from the answers, not from the start of the round */
#define COUNT_FROM_ANSWERS age[me] = 0
#else
#define COUNT_FROM_ANSWERS skip
#endif

#ifdef SAMELATE              /* a claim that is tried again counts from the last try, not from the first */
#define COUNT_FROM_TRY age[me] = 0
#else
#define COUNT_FROM_TRY if :: state != PENDING -> age[me] = 0 :: else fi
#endif

#ifdef LATEBOOT              /* a container starts although its time is over */
#define IN_TIME true
#else
#define IN_TIME (age[me] < HOLD)
#endif

#ifdef EARLYRELEASE          /* a lease is released before its container is gone */
#define CONTAINER_GONE skip
#else
#define CONTAINER_GONE running[me] = 0; deadline[me] = 0
#endif

/* ---- time ---- */

#ifdef NOSWITCH              /* nothing but the agent ends its container */
#define GUARD_ENDS(i) skip
#else
#define GUARD_ENDS(i) if :: running[i] && deadline[i] == 0 -> running[i] = 0 :: else fi
#endif

#define OLDER(i) if :: age[i] < HOLD -> age[i]++ :: else fi; \
  if :: deadline[i] > 0 -> deadline[i]-- :: else fi; GUARD_ENDS(i)

proctype Clock() {
  byte w;
  do
  :: TIME_LEFT -> d_step {
       COUNT_TICK;
       do
       :: w < WITNESSES -> if :: left[w] > 0 -> left[w]-- :: else fi; w++
       :: else -> break
       od;
       w = 0;
       OLDER(0); OLDER(1)
     }
  od
}

/* ---- witnesses ---- */

/* Takes the accept of `v` under `b`; `yes` is its answer. */
inline take(w, b, v, yes) {
  if
  :: b >= promised[w] && b > ballot[w] && PERMITS(w, v) ->
     if
     :: PHASE(v) != LEASED -> left[w] = 0
     :: PHASE(v) == LEASED && FRESH_LEASE(w, v) -> left[w] = TAKE
     :: else
     fi;
     confirmed[w] = confirmed[w] && SAMELEASE(value[w], v);
     promised[w] = b; ballot[w] = b; value[w] = v; yes = 1
  :: else -> yes = 0
  fi
}

/* A witness restarts. What it kept in memory it must take for the worst. */
proctype Restart() {
  byte restarts, w;
  do
  :: restarts < RESTARTS -> atomic {
       restarts++;
       select(w : 0 .. WITNESSES - 1);
#ifdef AMNESIA               /* it comes back under its old name without its records */
       promised[w] = 0; ballot[w] = 0; value[w] = 0; left[w] = 0; confirmed[w] = 0;
#endif
#ifdef NOPROMISE             /* it answered before its promise was synced */
       promised[w] = 0;
#endif
       if
       :: PHASE(value[w]) == LEASED ->
          confirmed[w] = 1;
#ifdef RESTARTZERO           /* it takes what it forgot for expired */
          left[w] = 0
#else
          left[w] = TAKE
#endif
       :: else
       fi;
       w = 0 }
  :: else -> break
  od
}

/* An accept comes once more, or at last, when its sender has gone on. */
proctype Latecomer() {
  byte times, w, from, yes;
  do
  :: times < LATE -> atomic {
       times++;
       select(w : 0 .. WITNESSES - 1);
       select(from : 0 .. 1);
       if :: sentBallot[from] > 0 -> take(w, sentBallot[from], sentValue[from], yes) :: else fi;
       w = 0; from = 0; yes = 0 }
  :: else -> break
  od
}

/* ---- agents ---- */

#define IDLE    0
#define PENDING 1            /* a claim is out, and may or may not be chosen */
#define WON     2            /* it is chosen, and has no container yet */
#define BOOTED  3            /* its container was started */
#define ENDING  4            /* its container is gone, and its end is being proposed */

/* The witnesses one by one, one agent upwards and the other downwards. */
#define NEXT_WITNESS (me == 0 -> asked : WITNESSES - 1 - asked)

inline reduce() {
  if
  :: op == CLAIM ->
     if
#ifdef LIAR                  /* a member makes up a past in which nobody has claimed yet */
     :: me == 1 -> next = VALUE(1, LEASED, claim, 0, 0)
     :: me == 1 -> next = VALUE(0, CANCELLED, 0, 0, 0)
#else
     :: PHASE(base) == LEASED && CLAIMID(base) == claim -> skip
     :: else ->
        if
        :: USED(base, claim) || (TERMINAL(base) && !CLAIMABLE(base)) || EPOCH(base) == EPOCHS_MAX
        :: PHASE(base) == LEASED && !USED(base, claim) ->
           if
           :: !MAYTAKE -> busy = 1
           :: MAYTAKE && FLAGGED(base) -> next = VALUE(EPOCH(base), CANCELLED, 0, 0, EXPIRED(base))
           :: MAYTAKE && !FLAGGED(base) && EPOCH(base) < EPOCHS_MAX ->
              next = VALUE(EPOCH(base) + 1, LEASED, claim, 0, EXPIRED(base))
           :: else
           fi
        :: CLAIMABLE(base) && !USED(base, claim) && EPOCH(base) < EPOCHS_MAX ->
           next = VALUE(EPOCH(base) + 1, LEASED, claim, 0, HISTORY(base))
        :: else
        fi
#endif
     fi
  :: op == COMPLETE && ENDS(base, epoch, claim) ->
     next = VALUE(EPOCH(base), DONE, 0, 0, HISTORY(base) | ((claim + 1) << (4 + 4 * EPOCH(base))))
  :: op == RELEASE && ENDS(base, epoch, claim) ->
     next = VALUE(EPOCH(base), (FLAGGED(base) -> CANCELLED : QUEUED), 0, 0, ENDED(base))
  :: op == CANCEL && PHASE(base) == LEASED -> next = CANCELLEASED(base)
  :: op == CANCEL && PHASE(base) == QUEUED ->
     next = VALUE(EPOCH(base), CANCELLED, 0, 0, HISTORY(base))
  :: else
  fi
}

/* The value is chosen, and its proposer knows. */
inline learn() {
#ifndef LIAR                 /* a liar can break these; no living lease can it break */
  PROMISE(old_epoch, EPOCH(next) >= before);
  PROMISE(outcome_undone, over == 0 || next == over);
  if
  :: PHASE(next) == LEASED ->
     PROMISE(two_holders, holder[EPOCH(next)] == 0 || holder[EPOCH(next)] == CLAIMID(next) + 1);
     PROMISE(outcome_undone, outcome == 0 || EPOCH(next) <= EPOCH(outcome));
     holder[EPOCH(next)] = CLAIMID(next) + 1
  :: TERMINAL(next) ->
     PROMISE(two_outcomes, outcome == 0 || outcome == next)
  :: else
  fi;
  if
  :: PHASE(next) == DONE ->
     PROMISE(foreign_outcome, ENTRY(next, EPOCH(next)) == holder[EPOCH(next)])
  :: else
  fi;
  if :: EPOCH(next) > newest -> newest = EPOCH(next) :: else fi;
#endif
  if
  :: TERMINAL(next) ->
     outcome = next;
     PROMISE(container_beside_outcome, !running[0] && !running[1])
  :: else
  fi
}

inline boot() {
  if
  :: IN_TIME ->
     deadline[me] = HOLD - age[me]; running[me] = 1; state = BOOTED;
     ONE_CONTAINER;
     PROMISE(container_beside_outcome, outcome == 0)
  :: else
  fi;
  age[me] = HOLD
}

proctype Agent(byte me; byte claims; byte ends; byte cancels; byte round; byte state; byte epoch) {
  byte claim = me, renews;
  byte op, b, asked, answers, expired, highest, w, yes, before;
  int base, next, over;
  bit busy;
again:
  do
  /* A claim, or its next try. The claim's id stays until its fate is known. */
  :: claims > 0 && ((state <= PENDING && claim < 4) || (state == BOOTED && !running[me] && claim < 2)) ->
     atomic {
       claims--; op = CLAIM;
       if
       :: state == BOOTED -> claim = claim + 2; state = IDLE
       :: else
       fi;
       COUNT_FROM_TRY;
       state = PENDING
     };
     goto change
  /* The container ends by itself, or is ended so that the lease can be released. */
  :: ends > 0 && (state == ENDING || (state == BOOTED && running[me]) || (state >= WON && ENDWITH == RELEASE)) ->
     atomic { ends--; op = ENDWITH; CONTAINER_GONE; state = ENDING };
     goto change
  :: cancels > 0 -> atomic { cancels--; op = CANCEL };
     goto change
  /* A renewal, which may also start the lease of a claim that was chosen too late. */
  :: MORE_RENEWALS && ((state == BOOTED && running[me]) || state == WON) ->
     atomic { COUNT_RENEWAL; age[me] = 0 };
     do
     :: asked < WITNESSES -> atomic {
          if
          :: w = NEXT_WITNESS;
             if :: RENEWS_AT(w) -> left[w] = TAKE; confirmed[w] = 1; answers++ :: else fi; w = 0
          :: skip
          fi;
          asked++ }
     :: else -> break
     od;
     atomic {
       if
       :: answers >= MAJORITY ->
          COUNT_FROM_ANSWERS;
          if
          :: state == BOOTED && running[me] && deadline[me] > 0 && age[me] < HOLD ->
             deadline[me] = HOLD - age[me]
          :: state == WON -> boot()
          :: else
          fi
       :: else
       fi;
       asked = 0; answers = 0; age[me] = HOLD }
#ifdef NOSWITCH
  :: state == BOOTED && running[me] && deadline[me] == 0 -> running[me] = 0
#endif
  od;

change:
  atomic { round++; b = 2 * round + me; before = newest; over = outcome };
  do
  :: asked < WITNESSES -> atomic {
       if
       :: w = NEXT_WITNESS;
          if
          :: b > promised[w] && b > ballot[w] ->
             promised[w] = b; answers++;
             if :: left[w] == 0 -> expired++ :: else fi;
             if :: ballot[w] > highest -> highest = ballot[w]; base = value[w] :: else fi
          :: else -> if :: promised[w] / 2 > round -> round = promised[w] / 2 :: else fi
          fi;
          w = 0
       :: skip
       fi;
       asked++ }
  :: else -> break
  od;
  atomic {
    next = base;
    if :: answers >= MAJORITY -> reduce() :: else -> busy = 1 fi;
    asked = 0; answers = 0; expired = 0; highest = 0; base = 0;
    if :: !busy -> sentBallot[me] = b; sentValue[me] = next :: else fi
  };
  if
  :: !busy ->
     do
     :: asked < WITNESSES -> atomic {
          if
          :: w = NEXT_WITNESS; take(w, b, next, yes); answers = answers + yes; w = 0; yes = 0
          :: w = NEXT_WITNESS; take(w, b, next, yes); w = 0; yes = 0    /* the answer is lost */
          :: skip
          fi;
          asked++ }
     :: else -> break
     od
  :: else
  fi;
  atomic {
    if
    :: !busy && answers >= MAJORITY ->
       learn();
       if
       :: op == CLAIM && PHASE(next) == LEASED && CLAIMID(next) == claim ->
          epoch = EPOCH(next); state = WON; renews = 0;
          COUNT_FROM_ANSWERS;
          boot()
       :: op == CLAIM && !(PHASE(next) == LEASED && CLAIMID(next) == claim) ->
          state = IDLE; claim = claim + 2; age[me] = HOLD
       :: op == COMPLETE || op == RELEASE ->
          state = IDLE; claim = claim + 2
       :: else
       fi
    :: else
    fi;
    op = 0; b = 0; asked = 0; answers = 0; next = 0; busy = 0; before = 0; over = 0
  };
  goto again
}

init {
  atomic {
    age[0] = HOLD; age[1] = HOLD;
#ifndef FRESH                /* agent 0 holds the lease everywhere, and its container runs */
    byte w;
    do
    :: w < WITNESSES ->
       promised[w] = 1; ballot[w] = 1; value[w] = VALUE(1, LEASED, 0, 0, 0); left[w] = TAKE;
#ifdef RENEWED               /* and has renewed it */
       confirmed[w] = 1;
#endif
       w++
    :: else -> break
    od;
    w = 0;
    newest = 1; holder[1] = 1; running[0] = 1; deadline[0] = HOLD;
    run Agent(0, CLAIMS0, ENDS0, CANCELS0, ROUND0, BOOTED, 1);
#else                        /* a job that nobody has claimed yet */
    run Agent(0, CLAIMS0, ENDS0, CANCELS0, ROUND0, IDLE, 0);
#endif
    run Agent(1, CLAIMS1, ENDS1, CANCELS1, 0, IDLE, 0);
    run Clock();
#if RESTARTS > 0
    run Restart();
#endif
#if LATE > 0
    run Latecomer()
#endif
  }
}
