import type { AttemptInput } from './attempt.ts'
import type { OnLost } from './network/firewall.ts'

/** An attempt that its network can end as well. */
export interface Bound extends AttemptInput {
  readonly onLost: OnLost
}

/** What comes after the loss of its network is killed at once, also in the grace of a cancel. */
export function boundTo(input: AttemptInput): Bound {
  const lost = new AbortController()
  return {
    ...input,
    signal: AbortSignal.any([input.signal, lost.signal]),
    // A cancel before it has used the signal up: nothing else would tell a step that waits.
    kill: AbortSignal.any([...(input.kill === undefined ? [] : [input.kill]), lost.signal]),
    onLost: (reason) => lost.abort(reason)
  }
}
