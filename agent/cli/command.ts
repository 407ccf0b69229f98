import type { Command } from 'commander'
import type { Clock } from '../../protocol/core/ports.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import type { Input } from '../../protocol/host/input-line.ts'
import { type StatePaths, statePaths } from '../../protocol/host/paths.ts'
import { type Console, consoleOf } from './console.ts'
import { ControlClient } from './control-client.ts'
import type { SignalSource } from './interrupt.ts'

/** What the process gives a command; passed in, so that a command can be run by a test. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** For what must not stand among the arguments; empty when absent. */
  readonly stdin?: Input | undefined
  /** The process's own when absent. */
  readonly signals?: SignalSource | undefined
  readonly clock?: Clock | undefined
}

/** Options that every command has. */
export interface CommonOptions {
  readonly state?: string
  readonly config?: string
  readonly json?: boolean
  readonly color?: boolean
}

export interface Context {
  readonly paths: StatePaths
  readonly console: Console
  readonly client: ControlClient
  readonly json: boolean
  readonly env: Surroundings['env']
  readonly around: Surroundings
  readonly clock: Clock
}

/** Adds what every command has: the state folder and colour. */
export function common(command: Command): Command {
  return command
    .option('--state <dir>', 'state folder (default: MESH_STATE, else the system folder)')
    .option('--no-color', 'never colour the output')
}

export function contextOf(options: CommonOptions, around: Surroundings): Context {
  let clock: Clock | undefined
  const paths = statePaths('agent', options, around.env)
  return {
    paths,
    console: consoleOf({ ...around, colour: options.color !== false }),
    client: new ControlClient(paths.socket),
    json: options.json === true,
    env: around.env,
    around,
    // Only for who asks: the system's clock keeps a file open.
    get clock() {
      clock ??= around.clock ?? systemClock()
      return clock
    }
  }
}
