import {
  GUARD_AHEAD_MS_MAX,
  GUARDIAN_AFTER_MS,
  GUARDIAN_GRACE_MS
} from '../../protocol/core/limits.ts'

/** A container of this agent, as the guardian knows it. */
export interface Box {
  readonly id: string
  /** Name of its lease folder. */
  readonly lease: string
}

/** Lease folders by name with their deadline on the boot clock; undefined is one unreadable. */
export type Leases = ReadonlyMap<string, number | undefined>

/** The leases as they were read between two looks at the boot clock. */
export interface Sight {
  readonly leases: Leases
  readonly askedMs: number
  readonly seenMs: number
}

export type OverReason = 'deadline_passed' | 'deadline_missing' | 'deadline_too_far'

export interface Over<B extends Box> {
  readonly box: B
  readonly reason: OverReason
}

export interface Verdict<B extends Box> {
  /** Containers whose lease is over: there is no way back. */
  readonly over: readonly Over<B>[]
  /** Since when a container has had no readable deadline, by its id; to be given back next time. */
  readonly lacking: ReadonlyMap<string, number>
  /** The next instant at which this judgement changes by itself; Infinity for never. */
  readonly nextMs: number
}

/**
 * Which containers have outlived their lease (lease-protocol 4.7). Like the guard it fails closed:
 * what has no deadline that can be read, or one that no lease can have, is over.
 *
 * A guardian may stand still for seconds between any two of its steps. So that it never takes a
 * renewed lease for an old one, a deadline has passed only if it had before it was read, and lies
 * too far ahead only if it does so after it was read.
 */
export function judge<B extends Box>(
  boxes: readonly B[],
  { leases, askedMs, seenMs }: Sight,
  lacking: ReadonlyMap<string, number>
): Verdict<B> {
  const over: Over<B>[] = []
  const lackingNow = new Map<string, number>()
  let nextMs = Number.POSITIVE_INFINITY
  for (const box of boxes) {
    const deadlineMs = leases.get(box.lease)
    const lackingSinceMs = lacking.get(box.id) ?? seenMs
    if (deadlineMs === undefined) lackingNow.set(box.id, lackingSinceMs)
    const endMs = deadlineMs === undefined ? lackingSinceMs + GUARDIAN_GRACE_MS : endOf(deadlineMs)
    // Further ahead than any lease: written by mistake or malice, and it would never come.
    if (deadlineMs !== undefined && isTooFar(deadlineMs, seenMs)) {
      over.push({ box, reason: 'deadline_too_far' })
    } else if (askedMs >= endMs) {
      const reason = deadlineMs === undefined ? 'deadline_missing' : 'deadline_passed'
      over.push({ box, reason })
    } else {
      nextMs = Math.min(nextMs, endMs)
    }
  }
  return { over, lacking: lackingNow, nextMs }
}

/** True where a container of this lease, known or not, would be over. */
export function isDue(deadlineMs: number | undefined, nowMs: number): boolean {
  if (deadlineMs === undefined) return true
  return nowMs >= endOf(deadlineMs) || isTooFar(deadlineMs, nowMs)
}

/** When the guardian ends a container with this deadline. */
export function endOf(deadlineMs: number): number {
  return deadlineMs + GUARDIAN_AFTER_MS
}

/**
 * Lease folders that a dead agent has left and that no container needs any more. Only for an agent
 * that is gone: a living one may still start what it has claimed.
 */
export function spentLeases(
  boxes: readonly Box[],
  leases: Leases,
  nowMs: number
): readonly string[] {
  const used = new Set(boxes.map((box) => box.lease))
  return [...leases].flatMap(([lease, deadlineMs]) => {
    return !used.has(lease) && isDue(deadlineMs, nowMs) ? [lease] : []
  })
}

function isTooFar(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs - nowMs > GUARD_AHEAD_MS_MAX
}
