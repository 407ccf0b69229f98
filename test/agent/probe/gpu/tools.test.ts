import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { toolRunner } from '../../../../agent/probe/gpu/tools.ts'
import { eventually } from '../../../support/eventually.ts'
import { GpuHostTree } from '../../../support/gpu-host.ts'
import { isAlive } from '../../../support/living-process.ts'

async function runner(script: string, options = {}) {
  const host = await GpuHostTree.make()
  await host.tool('tool', script)
  return { host, run: toolRunner({ ...options, folders: [join(host.root, 'none'), host.tools] }) }
}

test('a tool says what it prints, what it says beside it, and how it ended', async () => {
  const { run } = await runner('echo "$1-$2"; echo beside >&2; exit 3')

  expect(await run('tool', ['a b', '$(id)'])).toEqual({
    kind: 'said',
    code: 3,
    text: 'a b-$(id)\n',
    beside: 'beside\n'
  })
})

test('it gets none of our variables', async () => {
  const { run } = await runner('/usr/bin/env')

  const answer = await run('tool', [])
  const text = answer.kind === 'said' ? answer.text : ''
  const names = text.split('\n').map((line) => line.split('=')[0] ?? '')
  const known = ['HOME', 'LC_ALL', 'LD_LIBRARY_PATH', 'PATH', 'PWD', 'OLDPWD', 'SHLVL', '_', '']
  expect(names.filter((name) => !known.includes(name))).toEqual([])
})

test('one that is not there, or no program, is absent', async () => {
  const { host, run } = await runner('true')
  await writeFile(join(host.tools, 'text'), 'no program')

  expect(await run('other', [])).toEqual({ kind: 'absent' })
  expect(await run('text', [])).toEqual({ kind: 'absent' })
})

test('one that cannot be run, or is killed, has failed', async () => {
  const { host, run } = await runner('kill -9 $$')
  await host.tool('broken', '#!/nowhere/sh\n')

  expect(await run('tool', [])).toEqual({ kind: 'failed', cause: 'was ended by SIGKILL' })
  expect(await run('broken', [])).toMatchObject({ kind: 'failed' })
})

test('one that hangs is ended with all that it started, and can be asked again', async () => {
  const { host, run } = await runner('', { msMax: 300 })
  const pids = join(host.root, 'pids')
  await host.tool('tool', `sleep 600 & echo $! >${pids}; sleep 600`)

  expect(await run('tool', [])).toEqual({ kind: 'failed', cause: 'did not end within 0.3 s' })
  const pid = Number(await readFile(pids, 'utf8'))
  await eventually('its child is gone', () => !isAlive(pid))
  await host.tool('tool', 'echo well')
  await eventually('it is asked again', async () => (await run('tool', [])).kind === 'said')
})

/** Ends what wrote its number into that file, and outlives the tool that began it. */
async function endLeft(pids: string): Promise<void> {
  const text = await readFile(pids, 'utf8').catch(() => '')
  for (const pid of text.split('\n').filter((line) => line !== '')) process.kill(Number(pid))
}

test('one that leaves a service behind with its output open has said what it said', async () => {
  const { host, run } = await runner('')
  const pids = join(host.root, 'pids')
  onTestFinished(() => endLeft(pids))
  await host.tool('tool', `echo well; setsid sh -c 'echo $$ >>${pids}; exec sleep 600' &\nexit 4`)

  const said = { kind: 'said', code: 4, text: 'well\n', beside: '' }
  expect(await run('tool', [])).toEqual(said)
  expect(await run('tool', [])).toEqual(said)
})

test('two questions at once are asked one after the other, and both answered', async () => {
  const { host, run } = await runner('')
  const lock = join(host.root, 'lock')
  await host.tool('tool', `mkdir ${lock} || exit 9; sleep 0.2; rmdir ${lock}; echo "$1"`)

  const answers = await Promise.all(['one', 'two', 'three'].map((word) => run('tool', [word])))
  expect(answers.map((answer) => (answer.kind === 'said' ? answer.text : ''))).toEqual([
    'one\n',
    'two\n',
    'three\n'
  ])
})

test('whoever waits for one that hangs for good gets no other one', async () => {
  const { host, run } = await runner('', { msMax: 1_000 })
  const pids = join(host.root, 'pids')
  onTestFinished(() => endLeft(pids))
  // What holds the tool's output is in no group of its own any more.
  await host.tool('tool', `setsid sh -c 'echo $$ >>${pids}; exec sleep 600' & sleep 600`)

  const answers = await Promise.all([run('tool', []), run('tool', [])])
  const causes = answers.map((answer) => (answer.kind === 'failed' ? answer.cause : answer.kind))
  expect(causes).toEqual(['did not end within 1 s', 'its last run has not ended'])
  const begun = await readFile(pids, 'utf8').catch(() => '')
  expect(begun.split('\n').length).toBeLessThanOrEqual(2)
})
