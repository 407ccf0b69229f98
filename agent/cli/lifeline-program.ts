import type { Command } from 'commander'
import { bareProgram } from './bare-program.ts'
import type { Surroundings } from './command.ts'
import { lifelineCommand } from './lifeline.ts'

/** `agent lifeline` without the code of the other commands: it stays in memory next to each agent. */
export function lifelineProgram(around: Surroundings): Command {
  return bareProgram(around, [lifelineCommand])
}
