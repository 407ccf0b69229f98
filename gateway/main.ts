#!/usr/bin/env node
import '../protocol/host/node20.ts'
import { CommanderError } from 'commander'
import { reportError } from '../protocol/host/exit.ts'
import { requireNode } from '../protocol/host/node-version.ts'
import { gatewayProgram } from './cli/program.ts'

const USAGE_EXIT = 2

async function main(): Promise<number> {
  const json = process.argv.includes('--json')
  try {
    requireNode(process.versions.node)
    const around = { env: process.env, stdout: process.stdout, stderr: process.stderr }
    await gatewayProgram(around).parseAsync(process.argv)
    return 0
  } catch (error) {
    // Commander has already said what was wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT
    return reportError(error, json, process.stderr)
  }
}

process.exitCode = await main()
