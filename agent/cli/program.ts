import type { Command } from 'commander'
import { admitCommand } from './admit.ts'
import { bareProgram } from './bare-program.ts'
import { cancelCommand } from './cancel.ts'
import type { Surroundings } from './command.ts'
import { doctorCommand } from './doctor.ts'
import { drainCommand, resumeCommand } from './drain.ts'
import { execCommand } from './exec.ts'
import { idCommand } from './id.ts'
import { initCommand } from './init.ts'
import { inviteCommand } from './invite.ts'
import { jobsCommand } from './jobs.ts'
import { joinCommand } from './join.ts'
import { lifelineCommand } from './lifeline.ts'
import { logsCommand } from './logs.ts'
import { resealCommand } from './reseal.ts'
import { revokeCommand } from './revoke.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'
import { unseatCommand } from './unseat.ts'
import { whyCommand } from './why.ts'
import { witnessCommand } from './witness.ts'

const COMMANDS = [
  initCommand,
  idCommand,
  admitCommand,
  unseatCommand,
  resealCommand,
  revokeCommand,
  inviteCommand,
  joinCommand,
  startCommand,
  lifelineCommand,
  statusCommand,
  jobsCommand,
  whyCommand,
  logsCommand,
  cancelCommand,
  drainCommand,
  resumeCommand,
  doctorCommand,
  execCommand,
  witnessCommand
]

/** The whole command line; rejects with CommanderError where commander has said what is wrong. */
export function agentProgram(around: Surroundings): Command {
  return bareProgram(around, COMMANDS)
}
