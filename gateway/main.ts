#!/usr/bin/env node
import '../protocol/host/node20.ts'
import { Command, CommanderError } from 'commander'
import { reportError } from '../protocol/host/exit.ts'
import { requireNode } from '../protocol/host/node-version.ts'
import { VERSION } from '../protocol/host/version.ts'
import type { Surroundings } from './cli/command.ts'
import { idCommand } from './cli/id.ts'
import { repoCommand } from './cli/repo.ts'
import { startCommand } from './cli/start.ts'
import { tokenCommand } from './cli/token.ts'

const USAGE_EXIT = 2

function programOf(around: Surroundings): Command {
  const program = new Command('gateway')
    .description('Runner Mesh: takes deliveries of Git servers and announces their jobs')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(gateway --help lists the commands)')
  for (const add of [idCommand, startCommand, tokenCommand, repoCommand]) add(program, around)
  return program
}

async function main(): Promise<number> {
  const json = process.argv.includes('--json')
  try {
    requireNode(process.versions.node)
    const around = { env: process.env, stdout: process.stdout, stderr: process.stderr }
    await programOf(around).parseAsync(process.argv)
    return 0
  } catch (error) {
    // Commander has already said what was wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT
    return reportError(error, json, process.stderr)
  }
}

process.exitCode = await main()
