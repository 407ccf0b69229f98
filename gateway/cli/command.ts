import type { Command } from 'commander'
import type { Input } from '../../protocol/host/input-line.ts'
import { type StatePaths, statePaths } from '../../protocol/host/paths.ts'

/** What the process gives a command; passed in, so that a command can be run by a test. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean | undefined }
  readonly stderr: { write(text: string): unknown }
  /** For what must not stand among the arguments; empty when absent. */
  readonly stdin?: Input | undefined
}

/** Options that every command has. */
export interface CommonOptions {
  readonly state?: string
  readonly config?: string
  readonly json?: boolean
}

export interface Context {
  readonly paths: StatePaths
  readonly env: Surroundings['env']
  readonly json: boolean
  readonly out: (text: string) => void
  /** What is for people only: never mixed into what a script reads. */
  readonly err: (text: string) => void
}

export function common(command: Command): Command {
  return command.option(
    '--state <dir>',
    'state folder (default: MESH_STATE, else the system folder)'
  )
}

export function contextOf(options: CommonOptions, around: Surroundings): Context {
  return {
    paths: statePaths('gateway', options, around.env),
    env: around.env,
    json: options.json === true,
    out: (text) => void around.stdout.write(text),
    err: (text) => void around.stderr.write(text)
  }
}
