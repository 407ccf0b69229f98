/** What an agent says of itself. Observers add `suspect` and `offline`, for display and placement only. */
export type AgentState = 'starting' | 'idle' | 'busy' | 'paused' | 'draining'
export type ObservedState = AgentState | 'suspect' | 'offline'
