#!/usr/bin/env node
import '../protocol/host/node20.ts'
import { runProgram } from '../protocol/host/program.ts'

const { argv, env, stdin, stdout, stderr, versions } = process
const load = async () => {
  if (argv[2] === 'lifeline') return (await import('./cli/lifeline-program.ts')).lifelineProgram
  return (await import('./cli/program.ts')).agentProgram
}
process.exitCode = await runProgram({ argv, env, stdin, stdout, stderr, node: versions.node, load })
