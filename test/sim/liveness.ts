import { type Cancellation, isTerminal, type JobState } from '../../protocol/core/job.ts'
import { TERM_GRACE_MS } from '../../protocol/core/limits.ts'
import { jobIdOf, runIdOf } from '../../protocol/core/run.ts'
import type { ChosenValues } from './chosen.ts'
import { isMoveDue } from './due-moves.ts'
import type { SimNode } from './node.ts'
import type { Scene } from './scene.ts'
import { awayAfterMs } from './sight.ts'
import type { RecordRow } from './witness-registers.ts'

export interface LivenessParts {
  readonly scene: Scene
  readonly nodes: readonly SimNode[]
  readonly chosen: ChosenValues
  /** Judges as well that each witness has the end. */
  readonly watchesWitnesses: boolean
  /** By job id. */
  readonly needs: ReadonlyMap<string, readonly number[]>
}

/** A witness asks for what its own timer kept out after 5 s, and writes it back after 10 more. */
const OWN_REPAIR_MS = 17_000

/**
 * V1 to V5, judged again and again once all is mended: each is a time that something may take.
 * What began earlier counts from the start of the watch.
 */
export class Liveness {
  readonly #parts: LivenessParts
  readonly #startedAtMs: number
  readonly #since = new Map<string, number>()

  constructor(parts: LivenessParts) {
    this.#parts = parts
    this.#startedAtMs = parts.scene.timeline.nowMs
  }

  /** The first that takes too long; undefined while all is in time. */
  look(): string | undefined {
    for (const place of this.#parts.chosen.places()) {
      const late = this.#lookAt(place)
      if (late !== undefined) return late
    }
    return
  }

  #lookAt(place: string): string | undefined {
    const value = this.#parts.chosen.newest(place)?.value
    if (value?.kind !== 'job') return
    if (value.phase === 'moved') return this.#lands(place, value)
    // What is left where the job was before is the past.
    if (this.#parts.chosen.home(value.register)?.place !== place) return
    if (isTerminal(value.phase)) return this.#everybodyKnows(place, value.register)
    return this.#moves(place, value) ?? this.#goesOn(place, value)
  }

  #goesOn(place: string, value: JobState): string | undefined {
    if (value.phase === 'queued') return this.#isClaimed(place)
    // Queued again for a retry, it has as long as the first time (seed 1130).
    this.#since.delete(`V1 ${place}`)
    const claimId = value.lease?.claimId ?? ''
    return this.#isHeld(place, value.register, claimId, value.cancel)
  }

  // V3: a stop-sign is no end: whoever reads it begins the job where it leads.
  #lands(place: string, { register, moved }: JobState): string | undefined {
    const { profile } = this.#parts.scene
    const boundMs = profile.antiEntropyMs * 3 + profile.requestTimeoutMs * 12 + 4_000
    const isThere = this.#parts.chosen.newest(`${register}@${moved?.witnessEpoch}`) !== undefined
    return this.#limit(`V3 ${place}`, isThere, boundMs, `V3: ${place} has not landed`)
  }

  // It counts as away only after that time, which each process counts from its own start.
  #moves(place: string, value: JobState): string | undefined {
    const { scene, nodes } = this.#parts
    const { profile, options } = scene
    if (!options.absences) return
    const slowMs = profile.antiEntropyMs * 3 + profile.requestTimeoutMs * 12 + 4_000
    const boundMs = awayAfterMs(profile.takeOverMs) + slowMs
    const isDue = isMoveDue(scene, nodes, place, value)
    return this.#limit(
      `move ${place}`,
      !isDue,
      boundMs,
      `V3: ${place} stays at witnesses that are gone`
    )
  }

  // V1: anti-entropy, the rank's wait and two claims; only while somebody could take it.
  #isClaimed(place: string): string | undefined {
    const { profile } = this.#parts.scene
    const isFree = this.#hasRoom() && !this.#needsOthers(place)
    const boundMs = profile.antiEntropyMs * 3 + profile.requestTimeoutMs * 12 + 4_000
    return this.#limit(`V1 ${place}`, !isFree, boundMs, `V1: ${place} is queued`)
  }

  /** What it waits for is due itself: its own time begins with the end of the last need. */
  #needsOthers(place: string): boolean {
    const { chosen, needs } = this.#parts
    const job = place.slice(0, place.lastIndexOf('@'))
    return (needs.get(job) ?? []).some((index) => {
      const value = chosen.home(jobIdOf(runIdOf(job), index))?.written.value
      return value?.kind !== 'job' || !isTerminal(value.phase)
    })
  }

  // V2: a lease that nobody holds is over by the clock, or given back by its agent.
  #isHeld(
    place: string,
    job: string,
    claimId: string,
    cancel: Cancellation | undefined
  ): string | undefined {
    const { nodes, scene } = this.#parts
    const { profile } = scene
    const holder = nodes.find(({ agent, process }) => process.isAlive && agent?.holders.has(job))
    const slowMs = profile.antiEntropyMs * 3 + profile.requestTimeoutMs * 12 + 4_000
    const lost = this.#limit(
      `V2 ${place} ${claimId}`,
      holder !== undefined || !this.#hasRoom() || this.#needsOthers(place),
      profile.takeOverMs * 2 + slowMs,
      `V2: ${place} has a lease that nobody holds`
    )
    if (lost !== undefined || holder === undefined) return lost
    // V4: the next renewal shows the flag, and one round trip more.
    const isSeen = holder.agent?.holders.get(job)?.cancelSeenAtMs !== undefined
    const boundMs = profile.renewEveryMs + profile.requestTimeoutMs * 2 + profile.antiEntropyMs
    const name = `V4 ${place} ${claimId}`
    const isTold = cancel === undefined || isSeen
    const untold = this.#limit(name, isTold, boundMs, `V4: ${place} is not told its cancel`)
    // And its end: the grace, calls to the engine, and the rounds of the end.
    const graceMs = (cancel?.graceMs ?? TERM_GRACE_MS) + slowMs
    const what = `V4: ${place} is told its cancel, and does not end`
    return untold ?? this.#limit(`${name} end`, !isSeen, graceMs, what)
  }

  // V5: two periods of anti-entropy and the reads after it.
  #everybodyKnows(place: string, job: string): string | undefined {
    // What has begun to be dropped is nobody's to know any more.
    if (this.#parts.chosen.isDropped(job)) return
    const { nodes, scene } = this.#parts
    const { profile } = scene
    const boundMs = profile.antiEntropyMs * 3 + profile.requestTimeoutMs * 4 + 2_000
    for (const { board, process, peerId } of nodes) {
      const state = board.job(job)?.state
      const isKnown = !process.isAlive || (state !== undefined && isTerminal(state.phase))
      const what = `V5: ${peerId} does not know the end of ${place}`
      const late = this.#limit(`V5 ${place} ${peerId}`, isKnown, boundMs, what)
      if (late !== undefined) return late
    }
    if (!this.#parts.watchesWitnesses) return
    return this.#allHaveIt(place, job, boundMs + profile.takeOverMs + OWN_REPAIR_MS)
  }

  // And its witnesses: one that missed the last accept would show an open job for ever (4.12.17).
  #allHaveIt(place: string, job: string, boundMs: number): string | undefined {
    for (const { peerId, isDone } of this.#seats(place, job)) {
      const what = `V5: ${peerId} as a witness lacks the end of ${place}`
      const late = this.#limit(`V5 ${place} at ${peerId}`, isDone, boundMs, what)
      if (late !== undefined) return late
    }
    return
  }

  /** The witnesses of a job, and whether each has what is chosen. */
  *#seats(place: string, job: string) {
    const { nodes, scene, chosen } = this.#parts
    const seats = scene.witnesses(job, Number(place.slice(place.lastIndexOf('@') + 1)))
    const newest = chosen.newest(place)
    for (const node of nodes) {
      const { peerId, disk, process, witness } = node
      if (!seats.some((seat) => seat.storeId === disk.storeId)) continue
      const row = disk.read(`r/${place}`) as RecordRow | undefined
      const value = row?.record.accepted?.value
      const isAway = !process.isAlive || !witness.isWhole
      const hasIt = value !== undefined && scene.digest.hash(value) === newest?.hash
      // The floor came before the run did, and says that the run has ended: an answer too.
      const isClosed = value === undefined && node.isClosed(newest?.value.annHash ?? '')
      yield { peerId, isDone: isAway || hasIt || isClosed }
    }
  }

  #hasRoom(): boolean {
    const { nodes } = this.#parts
    return nodes.some(({ agent, process }) => process.isAlive && (agent?.freeSlots ?? 0) > 0)
  }

  #limit(name: string, isDone: boolean, boundMs: number, what: string): string | undefined {
    const { nowMs } = this.#parts.scene.timeline
    if (isDone) {
      this.#since.delete(name)
      return
    }
    const sinceMs = this.#since.get(name) ?? nowMs
    this.#since.set(name, sinceMs)
    if (nowMs - sinceMs <= boundMs) return
    return `${what} since ${Math.round(nowMs - sinceMs)} ms (healed at ${Math.round(this.#startedAtMs)})`
  }

  /** All runs that somebody was promised have jobs that ended, and every op is resolved (V3). */
  isOver(jobs: readonly string[]): boolean {
    const { nodes, chosen } = this.#parts
    const isEnded = jobs.every((job) => {
      const value = chosen.home(job)?.written.value
      return value?.kind === 'job' && isTerminal(value.phase) && value.phase !== 'moved'
    })
    if (!isEnded) return false
    // One witness has dropped it, another has missed its end, and the third is away.
    const isAnyAway = nodes.some((node) => node.isAway)
    const isExcused = (runId: string): boolean => isAnyAway && chosen.isDropped(runId)
    const isIdle = nodes.every(({ agent, gateway, process }) => {
      if (!process.isAlive) return true
      return (agent?.isIdle(isExcused) ?? true) && (gateway?.isIdle(isExcused) ?? true)
    })
    const isKnown = nodes.every(({ board, process }) => {
      return (
        !process.isAlive ||
        jobs.every((job) => {
          if (chosen.isDropped(job)) return true
          const state = board.job(job)?.state
          return (
            board.run(runIdOf(job)) !== undefined && state !== undefined && isTerminal(state.phase)
          )
        })
      )
    })
    if (!isIdle || !isKnown || !this.#parts.watchesWitnesses) return isIdle && isKnown
    return jobs.every((job) => {
      if (chosen.isDropped(job)) return true
      return [...this.#seats(chosen.home(job)?.place ?? '', job)].every(({ isDone }) => isDone)
    })
  }
}
