import type { Clock } from '../../protocol/core/ports.ts'
import type { ContainerWatch } from './container-watch.ts'
import type { ContainerExec } from './engine-types.ts'
import { OutputPace } from './output-pace.ts'
import type { BegunStep } from './sandbox.ts'

type Reading = Required<Pick<ContainerExec, 'onOutput' | 'restMs' | 'hasEnded' | 'onCreated'>>

/** How what the steps of one box write is read: it is counted, and no faster than it may be. */
export class StepReader {
  readonly #watch: Pick<ContainerWatch, 'death' | 'hasEnded'>
  readonly #pace: OutputPace
  #written = 0

  constructor(
    clock: Pick<Clock, 'monotonicMs'>,
    watch: Pick<ContainerWatch, 'death' | 'hasEnded'>
  ) {
    this.#watch = watch
    this.#pace = new OutputPace(() => clock.monotonicMs())
  }

  /** Bytes that steps wrote so far: together they are kept up to the size of a log. */
  get written(): number {
    return this.#written
  }

  /**
   * For an exec that gives what a step writes: counted in `seen`, and made to wait where it is too
   * much at once. What has ended is read to its end at once: waiting would keep nobody from
   * writing, but count as the step's time, and engines close the stream of a dead box soon.
   */
  of(step: BegunStep, seen: { out: number; err: number }): Reading & { readonly execId: string } {
    let execId = ''
    return {
      get execId() {
        return execId
      },
      onCreated: (id) => {
        execId = id
      },
      onOutput: (stream, bytes) => {
        seen[stream] += bytes.length
        this.#written += bytes.length
        this.#pace.took(bytes)
        step.onOutput(stream, bytes)
      },
      restMs: () => {
        const ms = this.#pace.restMs()
        if (ms > 0) step.onWait?.()
        return ms
      },
      hasEnded: () => this.#watch.death() !== undefined || this.#watch.hasEnded(execId)
    }
  }
}
