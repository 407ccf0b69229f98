import { type Command, CommanderError } from 'commander'
import { MeshError } from '../core/errors.ts'
import { reportError } from './exit.ts'
import type { Input } from './input-line.ts'
import { requireNode } from './node-version.ts'

/** What the process gives a command; passed in, so that a command can be run by a test. */
export interface ProgramSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly stdin?: Input | undefined
}

export interface ProgramParts extends ProgramSurroundings {
  /** As of `process.argv`. */
  readonly argv: readonly string[]
  /** As of `process.versions.node`. */
  readonly node: string
  /**
   * Loads the commands. An older Node cannot even link them, and would say so in words that nobody
   * can act on: so it is asked first, and only then are they loaded.
   */
  readonly load: () => Promise<(around: ProgramSurroundings) => Command>
}

const USAGE_EXIT = 2

/** Runs one of the two programs; gives its exit code. All that is wrong is on standard error. */
export async function runProgram(parts: ProgramParts): Promise<number> {
  const { argv, stderr } = parts
  const json = argv.includes('--json')
  try {
    requireNode(parts.node)
    const program = (await parts.load())(parts)
    if (json) quiet(program)
    await program.parseAsync([...argv])
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, json, stderr)
    if (error.exitCode === 0) return 0
    // Commander has already said what was wrong, but where a program reads it.
    if (json) return reportError(usage(error), json, stderr)
    return USAGE_EXIT
  }
}

const DAEMONS = ['start', 'lifeline']
/** They have a box to clear away first, and hear of it themselves (`Interrupt`). */
const CLEARING = ['exec']
/** As a shell reports a program that wrote to a closed pipe. */
export const BROKEN_PIPE_EXIT = 141
/** EX_IOERR of sysexits.h. */
const OUTPUT_EXIT = 74

/**
 * Ends the process once nobody reads what it writes, as behind `head`: without this a stack trace
 * is the last that is seen of it. Not a daemon, which goes on where nobody hears it any more.
 */
export function endWithReader(argv: readonly string[], stdout: NodeJS.WriteStream): void {
  const command = argv[2] ?? ''
  if (DAEMONS.includes(command)) return
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (CLEARING.includes(command)) return
    process.exit(error.code === 'EPIPE' ? BROKEN_PIPE_EXIT : OUTPUT_EXIT)
  })
}

/** Words of commander beside our document would leave standard error without any form. */
function quiet(program: Command): void {
  for (const command of [program, ...program.commands, ...program.commands.flatMap(inner)]) {
    command.configureOutput({ outputError: () => undefined }).showHelpAfterError(false)
  }
}

function inner(command: Command): readonly Command[] {
  return command.commands
}

function usage(error: CommanderError): MeshError {
  const problem = error.message.replace(/^error: /, '')
  return new MeshError('USAGE', { problem }, { cause: error })
}
