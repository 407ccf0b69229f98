import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { isAlive } from '../support/living-process.ts'
import { temporaryFolder } from '../support/store-folder.ts'

const SCRIPT = resolve(import.meta.dirname, '../../deploy/watched.sh')

let dir: string

beforeEach(async () => {
  dir = await temporaryFolder()
})

/** Watches this shell script, in a folder of its own, and lets it be silent for that long. */
function watched(script: string, limitS = 2) {
  const child = spawn('sh', [SCRIPT, String(limitS), 'sh', '-c', script], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const ended = new Promise<number | null>((done) => child.on('close', (code) => done(code)))
  return { child, ended, said: () => said }
}

const read = async (name: string): Promise<string> => await readFile(join(dir, name), 'utf8')

test('what it says is passed on, both outputs, and its exit code is that of the whole', async () => {
  const run = watched('echo out; echo err >&2; printf unended; exit 3')

  expect(await run.ended).toBe(3)
  expect(run.said()).toBe('out\nerr\nunended')
})

test('a run that fails is not tried again', async () => {
  const run = watched('echo run >>runs; exit 1')

  expect(await run.ended).toBe(1)
  expect(await read('runs')).toBe('run\n')
})

test('a run that takes longer than the limit, but says something, is left alone', async () => {
  const run = watched('for each in 1 2 3 4; do sleep 1; echo $each; done')

  expect(await run.ended).toBe(0)
  expect(run.said()).toBe('1\n2\n3\n4\n')
})

test('a silent one is ended with all that it started, shown, and begun anew', async () => {
  await writeFile(join(dir, 'script'), 'sleep 600 & echo $! >child; echo $$ >runner; wait')
  const run = watched('[ -e child ] || exec sh script; echo well')

  expect(await run.ended).toBe(0)
  expect(run.said()).toMatch(
    /nothing was said for 2 s[\s\S]*sh script[\s\S]*sleep 600[\s\S]*anew[\s\S]*well\n$/
  )
  for (const name of ['runner', 'child']) expect(isAlive(Number(await read(name)))).toBe(false)
})

test('one that is silent twice has failed', async () => {
  const run = watched('echo run >>runs; sleep 600')

  expect(await run.ended).toBe(124)
  expect(await read('runs')).toBe('run\nrun\n')
})

test('who has had enough of it ends the run, too', async () => {
  const run = watched('echo $$ >runner; echo begun; sleep 600', 600)
  await eventually('it runs', () => run.said().includes('begun'))

  run.child.kill('SIGTERM')

  expect(await run.ended).toBe(143)
  const pid = Number(await read('runner'))
  await eventually('it is gone', () => !isAlive(pid))
})
