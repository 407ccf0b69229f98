import {
  AGENT_BORN,
  type AgentEvent,
  type AgentLife,
  isDrained,
  mayClaim,
  reduceAgent
} from '../protocol/core/agent-state.ts'

/** The agent's state with those who want to know of its changes. */
export class Life {
  #life: AgentLife = AGENT_BORN
  readonly #listeners: (() => void)[] = []

  get state(): AgentLife['state'] {
    return this.#life.state
  }

  get mayClaim(): boolean {
    return mayClaim(this.#life)
  }

  get isDrained(): boolean {
    return isDrained(this.#life)
  }

  /** Several in one go: nobody sees what lies between them. */
  tell(...events: readonly AgentEvent[]): void {
    const next = events.reduce(reduceAgent, this.#life)
    if (next === this.#life) return
    this.#life = next
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }
}
