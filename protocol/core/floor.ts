import { isTerminal, type JobPhase } from './job.ts'
import { ANNOUNCEMENT_CLOCK_MS_MAX } from './limits.ts'
import type { AnnouncementRef, RegisterReply, RegisterValue } from './messages.ts'
import { REDELIVERY_MS, RETENTION_MS, TOMBSTONE_KEPT_MS } from './retention-limits.ts'
import type { Announcement, RunState } from './run.ts'

/*
 * When a register may be dropped, and what keeps it from coming back (lease-protocol 4.10, 4.12.5,
 * 4.12.6). Two things answer `gone`: a tombstone, whatever is asked, and the floor, for a register
 * that never held anything here. A floor is a gateway's own word that its runs up to a number are
 * closed; no witness may find that out by itself, since it would lose a run it never heard of.
 */

/** What a witness holds of the register that it is asked about. */
export interface Holding {
  readonly value: RegisterValue | undefined
  /** A tombstone lies here. */
  readonly dropped: boolean
}

/** The highest closed number of a gateway that this witness has on its disk, 0 for none. */
export type FloorOf = (gateway: string) => number

/**
 * True when PREPARE, ACCEPT, READ and RENEW under `ann` are answered `gone`. `ann` is undefined
 * where the asker knows no announcement: then only a tombstone can tell.
 */
export function isGone(
  { value, dropped }: Holding,
  ann: AnnouncementRef | undefined,
  floorOf: FloorOf
): boolean {
  // Before the floor: another gateway's announcement of the same run stands above its own floor.
  if (dropped) return true
  // A value is kept until the sweep drops it: a floor alone takes nothing away.
  if (value !== undefined || ann === undefined) return false
  return ann.gwSeq <= floorOf(ann.gateway)
}

/**
 * The floor that an announcement carries; 0 for one that says nothing. A statement about itself, or
 * about what comes after it, is none: its own run is open.
 */
export function floorIn({ floor, gwSeq }: Pick<Announcement, 'floor' | 'gwSeq'>): number {
  return Number.isSafeInteger(floor) && floor > 0 && floor < gwSeq ? floor : 0
}

/** All that a witness holds of one run under one witness epoch. */
export interface HeldRun {
  /** One of each register with a value. */
  readonly phases: readonly (JobPhase | RunState['phase'])[]
  readonly gateway: string
  readonly gwSeq: number
  readonly issuedAtMs: number
}

/**
 * True when a witness may drop the run. Its own look at the phases is a second lock: the floor
 * already says that every job has ended, wherever it has moved.
 */
export function mayDrop(run: HeldRun, floorOf: FloorOf, wallMs: number): boolean {
  const oldEnough = wallMs - run.issuedAtMs >= RETENTION_MS + ANNOUNCEMENT_CLOCK_MS_MAX
  return oldEnough && run.gwSeq <= floorOf(run.gateway) && run.phases.every(isOver)
}

function isOver(phase: HeldRun['phases'][number]): boolean {
  return phase === 'run' || phase === 'superseded' || isTerminal(phase)
}

/** True when a tombstone may go: by then nobody sends that push again. */
export function isTombstoneOver(droppedAtMs: number, wallMs: number): boolean {
  return wallMs - droppedAtMs >= TOMBSTONE_KEPT_MS + ANNOUNCEMENT_CLOCK_MS_MAX
}

/**
 * True when witnesses may have forgotten that they dropped a run of which something began then: a
 * quorum that knows none says no more than that it is gone.
 */
export function isForgotten(beganAtMs: number, wallMs: number): boolean {
  return wallMs - beganAtMs >= RETENTION_MS + TOMBSTONE_KEPT_MS
}

/** True when nobody sends again what was announced at `issuedAtMs`. */
export function isRedeliveryOver(issuedAtMs: number, wallMs: number): boolean {
  return wallMs - issuedAtMs >= REDELIVERY_MS + ANNOUNCEMENT_CLOCK_MS_MAX
}

/**
 * A gateway's floor: every number up to it is closed. `drawn` is the highest number ever drawn,
 * `open` those of them whose run has not ended or is not known, `before` what was said last.
 */
export function floorOver(before: number, drawn: number, open: Iterable<number>): number {
  let floor = drawn
  for (const gwSeq of open) floor = Math.min(floor, gwSeq - 1)
  // What was once said is out: a witness may have dropped by it.
  return Math.max(before, floor)
}

/**
 * True when a quorum of a register's witnesses can say no more of it, and one of them because it
 * was dropped: that is definite. One whose store was replaced counts with those that dropped it,
 * since together they leave no quorum for anything to be chosen in; else one witness that missed
 * the end would have whoever asks ask for ever.
 */
export function isGoneAt(replies: Iterable<RegisterReply>, quorum: number): boolean {
  let gone = 0
  let replaced = 0
  for (const reply of replies) {
    if (reply.kind !== 'rejected') continue
    if (reply.code === 'gone') gone += 1
    if (reply.code === 'wrong_store') replaced += 1
  }
  return gone > 0 && gone + replaced >= quorum
}
