import type { Advertisement } from './advertisement.ts'
import type { ObservedState } from './agent-state.ts'
import { OFFLINE_AFTER_MS, SUSPECT_AFTER_MS } from './limits.ts'

/** `none`: never connected from here, so that nothing can be gone. */
export type LinkState = 'up' | 'down' | 'none'

/** What one observer knows of one agent. */
export interface Sighting {
  readonly advertisement: Advertisement
  /** Boot clock of the observer when the advertisement arrived, milliseconds. */
  readonly heardAtMs: number
  /** `down` once every connection to the peer is gone. */
  readonly link: LinkState
}

/** An agent as this observer sees it now. */
export interface AgentView extends Sighting {
  readonly observed: ObservedState
}

/**
 * What an agent is, as seen from here (decision 12). For display and placement only: no lease ever
 * ends because someone looks suspect.
 */
export function observe(sighting: Sighting, nowMs: number): ObservedState {
  const silentMs = nowMs - sighting.heardAtMs
  if (sighting.advertisement.leaving || silentMs >= OFFLINE_AFTER_MS) return 'offline'
  if (sighting.link === 'down' || silentMs >= SUSPECT_AFTER_MS) return 'suspect'
  return sighting.advertisement.state
}

/** True for an agent that takes new jobs, as far as this observer knows. */
export function takesJobs(view: AgentView): boolean {
  const isUp = view.observed === 'idle' || view.observed === 'busy'
  return isUp && view.advertisement.closing === undefined
}
