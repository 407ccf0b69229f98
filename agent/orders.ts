import type { AgentEvent, AgentState } from '../protocol/core/agent-state.ts'
import { MeshError } from '../protocol/core/errors.ts'
import type { AgentOrder } from '../protocol/wire/orders-codec.ts'
import type { Claimer } from './claim/claimer.ts'
import type { Orders } from './control/parts.ts'
import type { Life } from './life.ts'

export interface OrderParts {
  readonly life: Pick<Life, 'state' | 'tell'>
  readonly claimer: Pick<Claimer, 'heldJobs' | 'taken'>
  /** True once the process is about to end: that order is not taken back. */
  readonly leaving: () => boolean
}

/** The owner's orders, and beside them those that come over the mesh. */
export interface MeshOrders extends Orders {
  /**
   * What an operator of the mesh wants, and the state from then on. It takes back its own orders
   * only: what the owner has ordered here stays. Throws STOPPING where the process is about to end.
   */
  ordered(order: AgentOrder): AgentState
}

/** Orders to a running agent; all of them last as long as the process. */
export function agentOrders({ life, claimer, leaving }: OrderParts): MeshOrders {
  let isDrainedHere = false
  let mesh: AgentOrder = 'resume'
  const apply = (): void => {
    const wanted: AgentEvent['kind'] = isDrainedHere ? 'drain' : mesh
    // Draining gives way to nothing but its end: in one go, so that nothing is claimed in between.
    life.tell({ kind: 'resume' }, ...(wanted === 'resume' ? [] : [{ kind: wanted }]))
  }
  const refuseLeaving = (): void => {
    if (leaving()) throw new MeshError('STOPPING', { what: 'the agent' })
  }
  return {
    view: () => ({
      state: life.state,
      jobs: [...claimer.heldJobs],
      // A claim that was on its way when the order came is held, and is waited for like the others.
      drained: life.state === 'draining' && claimer.taken.size === 0
    }),
    drain: () => {
      isDrainedHere = true
      apply()
    },
    resume: () => {
      refuseLeaving()
      // The owner has the last word: what the mesh has ordered is taken back as well.
      isDrainedHere = false
      mesh = 'resume'
      apply()
    },
    ordered: (order) => {
      refuseLeaving()
      mesh = order
      apply()
      return life.state
    }
  }
}
