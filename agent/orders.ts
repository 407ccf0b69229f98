import { MeshError } from '../protocol/core/errors.ts'
import type { Claimer } from './claim/claimer.ts'
import type { Orders } from './control/parts.ts'
import type { Life } from './life.ts'

export interface OrderParts {
  readonly life: Pick<Life, 'state' | 'tell'>
  readonly claimer: Pick<Claimer, 'heldJobs' | 'taken'>
  /** True once the process is about to end: that order is not taken back. */
  readonly leaving: () => boolean
}

/** The owner's orders to a running agent. */
export function agentOrders({ life, claimer, leaving }: OrderParts): Orders {
  return {
    view: () => ({
      state: life.state,
      jobs: [...claimer.heldJobs],
      // A claim that was on its way when the order came is held, and is waited for like the others.
      drained: life.state === 'draining' && claimer.taken.size === 0
    }),
    drain: () => life.tell({ kind: 'drain' }),
    resume: () => {
      if (leaving()) throw new MeshError('STOPPING', { what: 'the agent' })
      life.tell({ kind: 'resume' })
    }
  }
}
