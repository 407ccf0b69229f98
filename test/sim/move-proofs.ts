import { type Arrival, arrivalProblem, leadOf } from '../../protocol/core/arrival.ts'
import type { JobState } from '../../protocol/core/job.ts'
import type { RegisterScope, RegisterValue, RejectCode } from '../../protocol/core/messages.ts'
import { isLanding } from '../../protocol/core/move.ts'
import type { SimClient, SimRead } from './client.ts'
import type { SimProcess } from './process.ts'
import { placeOf, type Scene } from './scene.ts'

interface ProofParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly client: SimClient
}

type Found = Arrival | 'none' | 'unknown'

/** Whether a job has come to a register by a chosen stop-sign, as production's MoveProofs asks. */
export class SimMoveProofs {
  readonly #parts: ProofParts
  #arrivals = new Map<string, Arrival>()
  #testimonies = new Map<string, Arrival>()

  constructor(parts: ProofParts) {
    this.#parts = parts
    parts.process.onCrash(() => {
      this.#arrivals = new Map()
      this.#testimonies = new Map()
    })
  }

  /** Why `value` must not be the first one here; undefined where it may. */
  problem(
    scope: RegisterScope,
    value: RegisterValue,
    fromEpoch: number,
    done: (code: RejectCode | undefined) => void
  ): void {
    const ask = (here: SimRead | undefined): void => {
      this.#arrival(scope, fromEpoch, (found) => {
        if (found !== 'unknown') done(this.#judge(found, value))
        else this.#testified(scope, value.annHash, here, (seen) => done(this.#judge(seen, value)))
      })
    }
    if (isLanding(value)) {
      ask(undefined)
      return
    }
    // A quorum that holds anything at all here has asked before, when the first of it came.
    this.#look(scope, scope.witnessEpoch, 'never', (read) => {
      if (read.kind === 'chosen' && read.value !== undefined) done(undefined)
      else ask(read)
    })
  }

  /** By the word of one other witness here, where those that the job came from cannot tell. */
  #testified(
    scope: RegisterScope,
    annHash: string,
    here: SimRead | undefined,
    done: (found: Found) => void
  ): void {
    if (here === undefined) {
      this.#look(scope, scope.witnessEpoch, 'never', (read) => {
        this.#testified(scope, annHash, read, done)
      })
      return
    }
    const shown = here.kind === 'unsettled' ? here.base : valueIn(here)
    if (shown?.kind !== 'job' || shown.annHash !== annHash) {
      done('unknown')
      return
    }
    const { scene, process } = this.#parts
    const name = `${placeOf(scope.register, scope.witnessEpoch)} ${scene.digest.hash(shown)}`
    const arrival = this.#testimonies.get(name) ?? { landing: shown, provenAtMs: process.nowMs }
    this.#testimonies.set(name, arrival)
    scene.count('witness: took the word of one for a landing')
    done(arrival)
  }

  #judge(found: Found, value: RegisterValue): RejectCode | undefined {
    if (found === 'none') return 'invalid'
    if (found === 'unknown') return 'wrong_roster'
    const { scene, process } = this.#parts
    const problem = arrivalProblem(found, value, process.nowMs, scene.digest)
    if (problem === undefined) return
    return problem.kind === 'alive' ? 'lease_alive' : 'invalid'
  }

  #arrival(scope: RegisterScope, fromEpoch: number, done: (found: Found) => void): void {
    const name = placeOf(scope.register, scope.witnessEpoch)
    const known = this.#arrivals.get(name)
    if (known !== undefined) {
      done(known)
      return
    }
    const end = (found: JobState | 'none' | 'unknown'): void => {
      if (typeof found === 'string') {
        done(found)
        return
      }
      const arrival = { landing: found, provenAtMs: this.#parts.process.nowMs }
      this.#arrivals.set(name, arrival)
      done(arrival)
    }
    this.#follow(scope, fromEpoch, (found) => {
      if (found === undefined) this.#search(scope, scope.witnessEpoch - 1, fromEpoch, end)
      else end(found)
    })
  }

  /** From stop-sign to stop-sign; undefined where one of them cannot be read. */
  #follow(
    scope: RegisterScope,
    fromEpoch: number,
    done: (found: JobState | 'none' | undefined) => void
  ): void {
    this.#read(scope, fromEpoch, 'write', (seen) => {
      const lead = leadOf(seen?.value, scope.witnessEpoch)
      if (lead.kind === 'next') this.#follow(scope, lead.witnessEpoch, done)
      else if (lead.kind === 'here') done(lead.landing)
      else done(seen === undefined ? undefined : 'none')
    })
  }

  /** The stop-sign that leads here, where the witnesses of the first one are gone. */
  #search(
    scope: RegisterScope,
    epoch: number,
    least: number,
    done: (found: JobState | 'unknown') => void
  ): void {
    if (epoch <= least) {
      done('unknown')
      return
    }
    this.#read(scope, epoch, 'write', (seen) => {
      const lead = leadOf(seen?.value, scope.witnessEpoch)
      if (lead.kind === 'here') done(lead.landing)
      else this.#search(scope, epoch - 1, least, done)
    })
  }

  #read(
    scope: RegisterScope,
    witnessEpoch: number,
    settle: 'write' | 'never',
    done: (seen: { readonly value: RegisterValue | undefined } | undefined) => void
  ): void {
    this.#look(scope, witnessEpoch, settle, (read) => {
      done(read.kind === 'chosen' ? { value: read.value } : undefined)
    })
  }

  #look(
    { register, ann }: RegisterScope,
    witnessEpoch: number,
    settle: 'write' | 'never',
    done: (read: SimRead) => void
  ): void {
    this.#parts.client.read({ register, witnessEpoch, ann }, settle, done)
  }
}

function valueIn(read: SimRead): RegisterValue | undefined {
  return read.kind === 'chosen' ? read.value : undefined
}
