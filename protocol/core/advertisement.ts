import type { AgentState } from './agent-state.ts'

export interface Platform {
  /** `os/arch[/variant]`, as in `linux/arm64`. */
  readonly name: string
  readonly native: boolean
}

export interface Capacity {
  readonly cpuMilli: number
  readonly memoryBytes: number
  /** How many jobs may run side by side. */
  readonly jobs: number
}

/** What an agent is and has free; gossiped on change and every 30 s +- 20 %. */
export interface Advertisement {
  readonly peerId: string
  readonly name: string
  /** Process nonce and counter: a receiver keeps the highest counter of the latest boot. */
  readonly boot: string
  readonly sequence: number
  readonly state: AgentState
  readonly version: string
  readonly platforms: readonly Platform[]
  readonly labels: Readonly<Record<string, string>>
  readonly capacity: Capacity
  readonly free: Capacity
  readonly diskFreeBytes: number
  readonly engine: string
  /** Ids of the jobs held now. */
  readonly jobs: readonly string[]
  /** Wall clock of the sender, to show a clock that is off; never decides anything. */
  readonly sentAtMs: number
}
