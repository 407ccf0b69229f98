import { Command } from 'commander'
import { expect, test, vi } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { runProgram } from '../../../protocol/host/program.ts'

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(argv: readonly string[], action = vi.fn(), node = '20.19.0'): Promise<Ran> {
  const said = { out: '', err: '' }
  const writeOut = (text: string): void => {
    said.out += text
  }
  const writeErr = (text: string): void => {
    said.err += text
  }
  const stdout = { write: writeOut } as never
  const stderr = { write: writeErr } as never
  const load = async () => () => {
    const program = new Command('thing')
      .configureOutput({ writeOut, writeErr })
      .exitOverride()
      .showHelpAfterError('(thing --help lists the commands)')
    const group = program.command('group')
    for (const parent of [program, group]) {
      parent.command('act').option('--json').requiredOption('--name <name>').action(action)
    }
    return program
  }
  const parts = { argv: ['node', 'thing', ...argv], env: {}, stdout, stderr, node, load }
  return { code: await runProgram(parts), ...said }
}

test('a command that ends well gives 0, and one that is asked for help too', async () => {
  expect(await run(['act', '--name', 'x'])).toEqual({ code: 0, out: '', err: '' })
  const help = await run(['--help'])
  expect([help.code, help.err]).toEqual([0, ''])
  expect(help.out).toContain('Usage: thing')
})

test('an error is one line with its code, and gives the exit code of its kind', async () => {
  const fails = vi.fn(() => {
    throw new MeshError('USAGE', { problem: 'no such zone' })
  })
  const said = await run(['act', '--name', 'x'], fails)

  expect(said).toEqual({ code: 2, out: '', err: 'USAGE: no such zone\n' })
})

test('wrong usage is said in words, with the way to the help', async () => {
  const said = await run(['act'])

  expect([said.code, said.out]).toEqual([2, ''])
  expect(said.err).toContain("error: required option '--name <name>' not specified")
  expect(said.err).toContain('thing --help lists the commands')
})

test.each([
  [['act', '--json'], "required option '--name <name>' not specified"],
  [['group', 'act', '--json'], "required option '--name <name>' not specified"],
  [['act', '--name', 'x', '--nmae', 'x', '--json'], "unknown option '--nmae'"],
  [['atc', '--json'], "unknown command 'atc'"]
])('with --json wrong usage is one document on standard error: %j', async (argv, problem) => {
  const said = await run(argv)

  expect([said.code, said.out]).toEqual([2, ''])
  const { error } = JSON.parse(said.err)
  expect(error.code).toBe('USAGE')
  expect(error.message).toContain(problem)
})

test('an older Node is told so before any command is loaded', async () => {
  const action = vi.fn()
  const said = await run(['act', '--name', 'x'], action, '18.20.4')

  expect(said.code).toBe(78)
  expect(said.err).toMatch(/^NODE_TOO_OLD: .*18\.20\.4.*20\.19/)
  expect(action).not.toHaveBeenCalled()
})
