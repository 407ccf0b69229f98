#!/usr/bin/env node
import '../protocol/host/node20.ts'
import { endWithReader, runProgram } from '../protocol/host/program.ts'

const { argv, env, stdin, stdout, stderr, versions } = process
const load = async () => (await import('./cli/program.ts')).gatewayProgram
endWithReader(argv, stdout)
process.exitCode = await runProgram({ argv, env, stdin, stdout, stderr, node: versions.node, load })
