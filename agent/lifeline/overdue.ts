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
 */
export function judge<B extends Box>(
  boxes: readonly B[],
  leases: Leases,
  lacking: ReadonlyMap<string, number>,
  nowMs: number
): Verdict<B> {
  const over: Over<B>[] = []
  const lackingNow = new Map<string, number>()
  let nextMs = Number.POSITIVE_INFINITY
  for (const box of boxes) {
    const deadlineMs = leases.get(box.lease)
    if (deadlineMs === undefined) lackingNow.set(box.id, lacking.get(box.id) ?? nowMs)
    const endMs = endOf(deadlineMs, lackingNow.get(box.id) ?? nowMs)
    // Further ahead than any lease: written by mistake or malice, and it would never come.
    if (deadlineMs !== undefined && isTooFar(deadlineMs, nowMs)) {
      over.push({ box, reason: 'deadline_too_far' })
    } else if (nowMs >= endMs) {
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
  return nowMs >= deadlineMs + GUARDIAN_AFTER_MS || isTooFar(deadlineMs, nowMs)
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

function endOf(deadlineMs: number | undefined, lackingSinceMs: number): number {
  if (deadlineMs === undefined) return lackingSinceMs + GUARDIAN_GRACE_MS
  return deadlineMs + GUARDIAN_AFTER_MS
}

function isTooFar(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs - nowMs > GUARD_AHEAD_MS_MAX
}
